#include "sim/network.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/base/assert.hpp"
#include "sim/octet_queue.hpp"

namespace ferry::sim {

using namespace std::chrono_literals;

namespace {

constexpr std::uint16_t ephemeral_first = 32'768;
constexpr std::uint16_t ephemeral_last = 60'999;
constexpr std::size_t pipe_bytes = 65'536;
// How long unacknowledged octets are sent again before the connection is given up (tcp_retries2).
constexpr auto give_up_after = 15min;
// A SYN that finds the queue full is sent again after these (tcp_syn_retries), then it is over.
constexpr auto syn_retries = std::to_array<runtime::duration>({1s, 2s, 4s, 8s, 16s, 32s, 64s});

/// An address as IPv6 has it; IPv4 as v4-mapped (RFC 4291 section 2.5.5.2).
struct address {
    std::array<std::uint8_t, 16> octets{};
    std::uint16_t port = 0;

    [[nodiscard]] bool is_v4() const noexcept {
        static constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0,    0,
                                                             0, 0, 0, 0, 0xFF, 0xFF};
        return std::equal(mapped.begin(), mapped.end(), octets.begin());
    }
    [[nodiscard]] bool is_any() const noexcept {
        const auto first = octets.begin() + (is_v4() ? 12 : 0);
        return std::all_of(first, octets.end(), [](std::uint8_t each) { return each == 0; });
    }
    [[nodiscard]] bool is_loopback() const noexcept {
        return is_v4()
                   ? octets[12] == 127
                   : octets[15] == 1 && std::all_of(octets.begin(), octets.end() - 1,
                                                    [](std::uint8_t each) { return each == 0; });
    }
};

address v4_address(std::array<std::uint8_t, 4> octets, std::uint16_t port) noexcept {
    address made{.port = port};
    made.octets[10] = made.octets[11] = 0xFF;
    std::copy(octets.begin(), octets.end(), made.octets.begin() + 12);
    return made;
}

/// 0 or -EINVAL, -EAFNOSUPPORT.
int parse(const sockaddr* from, socklen_t size_bytes, int family, address& into) noexcept {
    sa_family_t said = AF_UNSPEC;
    if (size_bytes < sizeof said) {
        return -EINVAL;
    }
    std::memcpy(&said, &from->sa_family, sizeof said);
    if (said != family) {
        return -EAFNOSUPPORT;
    }
    if (family == AF_INET) {
        sockaddr_in v4{};
        if (size_bytes < sizeof v4) {
            return -EINVAL;
        }
        std::memcpy(&v4, from, sizeof v4);
        std::array<std::uint8_t, 4> octets{};
        std::memcpy(octets.data(), &v4.sin_addr, 4);
        into = v4_address(octets, ntohs(v4.sin_port));
        return 0;
    }
    sockaddr_in6 v6{};
    if (size_bytes < sizeof v6) {
        return -EINVAL;
    }
    std::memcpy(&v6, from, sizeof v6);
    std::memcpy(into.octets.data(), &v6.sin6_addr, 16);
    into.port = ntohs(v6.sin6_port);
    return 0;
}

void format(const address& from, int family, sockaddr* into, socklen_t* size_bytes) noexcept {
    const auto copy = [&](const auto& made) {
        std::memcpy(into, &made, std::min<std::size_t>(*size_bytes, sizeof made));
        *size_bytes = sizeof made;
    };
    if (family == AF_INET) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(from.port);
        std::memcpy(&v4.sin_addr, from.octets.data() + 12, 4);
        copy(v4);
    } else if (family == AF_INET6) {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(from.port);
        std::memcpy(&v6.sin6_addr, from.octets.data(), 16);
        copy(v6);
    } else {
        const sa_family_t local = AF_UNIX;
        copy(local);
    }
}

enum class phase : std::uint8_t { fresh, listening, connecting, connected, over };

struct link;

}  // namespace

class socket {
  public:
    std::uint64_t id = 0;
    int family = AF_INET;
    phase at = phase::fresh;
    bool is_bound = false;
    bool is_pipe = false;
    bool can_read = true;  ///< A pipe's end cannot do both.
    bool can_write = true;
    bool is_closed = false;  ///< No descriptor is left.
    address local;
    address peer;

    // Options.
    bool reuse_address = false;
    bool reuse_port = false;
    bool v6_only = false;
    bool urgent_inline = false;
    ::linger lingering{};
    std::size_t send_room = 0;
    std::size_t receive_room = 0;
    runtime::duration user_timeout = give_up_after;

    // Of a listening socket.
    std::size_t backlog = 0;
    std::deque<socket_ptr> arrived;

    // Of a connection.
    std::shared_ptr<link> wire;
    unsigned side = 0;  ///< Which end of `wire` this is: 0 connected, 1 accepted.
    octet_queue inbox;
    octet_queue outbox;
    bool wants_fin = false;      ///< Sends no more.
    bool has_fin = false;        ///< The peer sends no more.
    bool reads_no_more = false;  ///< SHUT_RD.
    int pending_error = 0;

    std::vector<watch_token> watches;
    std::shared_ptr<void> counted;  ///< Its end is the socket's.
};

namespace {

/// What lies between two sockets. Ends with the second of them.
struct link {
    struct flow {
        bool is_moving = false;  ///< A segment or FIN is under way.
        bool fin_delivered = false;
        bool is_cut = false;  ///< doom::finish: what is sent goes nowhere.
        std::uint64_t delivered = 0;
        std::optional<std::pair<std::uint64_t, doom>> fate;
    };
    std::array<std::weak_ptr<socket>, 2> ends;
    std::array<socket_ptr, 2> orphans;  ///< Closed, and octets or a FIN still to send.
    std::array<flow, 2> flows;          ///< By the sender's side.
    bool is_silent = false;
    bool is_local = false;  ///< A pair or a pipe: no addresses, no resets.
};

constexpr unsigned side_of(direction flow) noexcept {
    return flow == direction::to_acceptor ? 0 : 1;
}

}  // namespace

struct network::state {
    struct watcher {
        std::weak_ptr<socket> of;
        std::function<void()> changed;
        bool is_told = false;
    };

    agenda& events;
    ferry::random& rng;
    network_weather weather{};
    std::uint64_t last_id = 0;
    watch_token last_token = 0;
    std::map<watch_token, watcher> watchers{};
    std::map<std::uint16_t, std::vector<std::weak_ptr<socket>>> bound{};
    std::map<std::uint64_t, std::weak_ptr<link>> links{};
    std::uint64_t last_link = 0;
    std::shared_ptr<std::size_t> sockets_alive = std::make_shared<std::size_t>(0);
    std::function<void(const socket_ptr&)> connected{};

    runtime::duration latency() noexcept {
        const auto range =
            static_cast<std::uint64_t>((weather.latency_max - weather.latency_min).count());
        return weather.latency_min +
               runtime::duration(static_cast<std::int64_t>(rng.below(range + 1)));
    }
    std::size_t segment_bytes() noexcept {
        return weather.segment_bytes_min +
               static_cast<std::size_t>(
                   rng.below(weather.segment_bytes_max - weather.segment_bytes_min + 1));
    }

    socket_ptr make(int family) {
        auto made = std::make_shared<socket>();
        made->counted =
            std::shared_ptr<void>(nullptr, [alive = sockets_alive](const void*) { *alive -= 1; });
        *sockets_alive += 1;
        made->id = ++last_id;
        made->family = family;
        made->send_room = weather.send_buffer_bytes;
        made->receive_room = weather.receive_buffer_bytes;
        if (family == AF_INET) {
            made->local = made->peer = v4_address({0, 0, 0, 0}, 0);
        }
        return made;
    }

    std::shared_ptr<link> join(const socket_ptr& first, const socket_ptr& second) {
        auto made = std::make_shared<link>();
        links.emplace(++last_link, made);
        if (last_link % 1'024 == 0) {
            std::erase_if(links, [](const auto& each) { return each.second.expired(); });
        }
        made->ends = {first, second};
        for (unsigned side = 0; side < 2; ++side) {
            socket& end = side == 0 ? *first : *second;
            end.wire = made;
            end.side = side;
            end.at = phase::connected;
        }
        return made;
    }

    void tell(const socket& changed) {
        for (const watch_token token : changed.watches) {
            watcher& each = watchers.at(token);
            if (!std::exchange(each.is_told, true)) {
                events.after(runtime::duration::zero(), [this, token] { call(token); });
            }
        }
    }
    void call(watch_token token) {
        const auto found = watchers.find(token);
        if (found == watchers.end()) {
            return;
        }
        found->second.is_told = false;
        const auto changed = found->second.changed;  // It may end its own watch.
        changed();
    }

    // Segments.

    /// Lets the next segment of `side`'s octets leave, if there are any and there is room.
    void pump(const std::shared_ptr<link>& on, unsigned side) {
        link::flow& flow = on->flows[side];
        const socket_ptr sender = on->ends[side].lock();
        if (flow.is_moving || on->is_silent || sender == nullptr || flow.fin_delivered) {
            return;
        }
        const socket_ptr receiver = on->ends[1 - side].lock();
        if (sender->outbox.empty()) {
            if (!sender->wants_fin) {
                return;
            }
        } else if (receiver != nullptr && !receiver->is_closed && !receiver->reads_no_more &&
                   !flow.is_cut && receiver->inbox.size() >= receiver->receive_room) {
            return;  // The window is closed: on with it when somebody reads.
        }
        flow.is_moving = true;
        const auto delay = on->is_local ? runtime::duration::zero() : latency();
        events.after(delay, [this, on, side] { deliver(on, side); });
    }

    void deliver(const std::shared_ptr<link>& on, unsigned side) {
        link::flow& flow = on->flows[side];
        flow.is_moving = false;
        const socket_ptr sender = on->ends[side].lock();
        const socket_ptr receiver = on->ends[1 - side].lock();
        if (on->is_silent || sender == nullptr || sender->at == phase::over) {
            return;
        }
        if (sender->outbox.empty()) {
            deliver_fin(on, side);
            return;
        }
        std::size_t count = std::min(sender->outbox.size(), segment_bytes());
        const bool is_lost = flow.is_cut;
        if (!is_lost && (receiver == nullptr || receiver->is_closed)) {
            reset(on, side);  // Nobody is there: the answer is an RST.
            return;
        }
        if (flow.fate && !is_lost) {
            count = static_cast<std::size_t>(
                std::min<std::uint64_t>(count, flow.fate->first - flow.delivered));
        }
        if (is_lost || receiver->reads_no_more) {
            octet_queue nowhere;
            sender->outbox.move_to(nowhere, count);
        } else {
            count = std::min(count, receiver->receive_room -
                                        std::min(receiver->receive_room, receiver->inbox.size()));
            sender->outbox.move_to(receiver->inbox, count);
            tell(*receiver);
        }
        flow.delivered += count;
        tell(*sender);
        meet_fate(on, side);
        pump(on, side);
    }

    void deliver_fin(const std::shared_ptr<link>& on, unsigned side) {
        on->flows[side].fin_delivered = true;
        on->orphans[side] = nullptr;
        const socket_ptr receiver = on->ends[1 - side].lock();
        if (receiver != nullptr && receiver->at == phase::connected) {
            receiver->has_fin = true;
            tell(*receiver);
        }
    }

    void meet_fate(const std::shared_ptr<link>& on, unsigned side) {
        link::flow& flow = on->flows[side];
        if (!flow.fate || flow.delivered < flow.fate->first || on->is_silent) {
            return;
        }
        const doom how = flow.fate->second;
        flow.fate.reset();
        switch (how) {
            case doom::reset:
                reset(on, 0);
                reset(on, 1);
                return;
            case doom::silence:
                silence(on);
                return;
            case doom::finish:
                flow.is_cut = true;
                if (const socket_ptr receiver = on->ends[1 - side].lock();
                    receiver != nullptr && receiver->at == phase::connected) {
                    receiver->has_fin = true;
                    tell(*receiver);
                }
                return;
        }
    }

    /// The end `side` gets an RST.
    void reset(const std::shared_ptr<link>& on, unsigned side, int why = ECONNRESET) {
        on->orphans[side] = nullptr;
        const socket_ptr hit = on->ends[side].lock();
        if (hit == nullptr || hit->at == phase::over) {
            return;
        }
        hit->pending_error = why == ECONNRESET && hit->has_fin ? EPIPE : why;
        hit->at = phase::over;
        hit->outbox.clear();
        tell(*hit);
    }

    void silence(const std::shared_ptr<link>& on) {
        on->is_silent = true;
        for (unsigned side = 0; side < 2; ++side) {
            on->orphans[side] = nullptr;
            note_unacknowledged(on, side);
        }
    }

    /// What is sent into the silence is given up some time.
    void note_unacknowledged(const std::shared_ptr<link>& on, unsigned side) {
        const socket_ptr sender = on->ends[side].lock();
        if (sender == nullptr || (sender->outbox.empty() && !sender->wants_fin) ||
            sender->is_closed) {
            return;
        }
        events.after(sender->user_timeout, [this, on, side] { reset(on, side, ETIMEDOUT); });
    }

    // Names.

    void forget_name(const socket& which) {
        const auto found = bound.find(which.local.port);
        if (found == bound.end()) {
            return;
        }
        std::erase_if(found->second, [&which](const std::weak_ptr<socket>& each) {
            const auto there = each.lock();
            return there == nullptr || there.get() == &which;
        });
        if (found->second.empty()) {
            bound.erase(found);
        }
    }

    [[nodiscard]] bool conflicts(const socket& asking, const address& wanted) const {
        const auto found = bound.find(wanted.port);
        if (found == bound.end()) {
            return false;
        }
        return std::ranges::any_of(found->second, [&](const std::weak_ptr<socket>& each) {
            const auto there = each.lock();
            if (there == nullptr || there->is_closed) {
                return false;
            }
            const bool both_families = there->family == asking.family ||
                                       (there->family == AF_INET6 && !there->v6_only) ||
                                       (asking.family == AF_INET6 && !asking.v6_only);
            const bool same =
                there->local.octets == wanted.octets || there->local.is_any() || wanted.is_any();
            const bool shared =
                (there->reuse_port && asking.reuse_port) ||
                (there->reuse_address && asking.reuse_address && there->at != phase::listening);
            return both_families && same && !shared;
        });
    }

    [[nodiscard]] int take_name(const socket_ptr& which, address wanted) {
        if (wanted.port == 0) {
            const std::uint64_t count = ephemeral_last - ephemeral_first + 1;
            const std::uint64_t begin = rng.below(count);
            for (std::uint64_t step = 0; step < count && wanted.port == 0; ++step) {
                address tried = wanted;
                tried.port = static_cast<std::uint16_t>(ephemeral_first + (begin + step) % count);
                if (!bound.contains(tried.port)) {
                    wanted = tried;
                }
            }
            if (wanted.port == 0) {
                return -EADDRINUSE;
            }
        } else if (conflicts(*which, wanted)) {
            return -EADDRINUSE;
        }
        which->local = wanted;
        which->is_bound = true;
        bound[wanted.port].push_back(which);
        return 0;
    }

    /// A listener that `wanted` reaches: of several that share the port one by chance.
    [[nodiscard]] socket_ptr find_listener(const address& wanted) {
        const auto found = bound.find(wanted.port);
        if (found == bound.end()) {
            return nullptr;
        }
        std::vector<socket_ptr> exact;
        std::vector<socket_ptr> any;
        for (const auto& each : found->second) {
            const auto there = each.lock();
            if (there == nullptr || there->at != phase::listening || there->is_closed) {
                continue;
            }
            if (there->local.octets == wanted.octets) {
                exact.push_back(there);
            } else if (there->local.is_any() && (there->local.is_v4() == wanted.is_v4() ||
                                                 (there->family == AF_INET6 && !there->v6_only))) {
                any.push_back(there);
            }
        }
        const auto& of = exact.empty() ? any : exact;
        return of.empty() ? nullptr : of[rng.below(of.size())];
    }

    // Connecting.

    void knock(const socket_ptr& from, std::size_t attempt) {
        if (from->at != phase::connecting || from->is_closed) {
            return;
        }
        const socket_ptr listener = find_listener(from->peer);
        if (listener == nullptr) {
            fail_connect(from, ECONNREFUSED);
            return;
        }
        if (listener->arrived.size() > listener->backlog) {
            if (attempt == syn_retries.size()) {
                fail_connect(from, ETIMEDOUT);
                return;
            }
            events.after(syn_retries[attempt], [this, from, attempt] { knock(from, attempt + 1); });
            return;
        }
        const socket_ptr made = make(listener->family);
        made->local = from->peer;
        made->peer = from->local;
        made->urgent_inline = listener->urgent_inline;
        made->send_room = listener->send_room;
        made->receive_room = listener->receive_room;
        join(from, made);
        from->at = phase::connecting;  // It learns of it a way later.
        listener->arrived.push_back(made);
        tell(*listener);
        events.after(latency(), [this, from] {
            if (from->at == phase::connecting && !from->is_closed) {
                from->at = phase::connected;
                tell(*from);
                if (connected) {
                    connected(from);
                }
                pump(from->wire, from->side);
            }
        });
    }

    void fail_connect(const socket_ptr& from, int why) {
        from->at = phase::fresh;
        from->pending_error = why;
        tell(*from);
    }
};

network::network(agenda& events, ferry::random& rng)
    : state_(std::make_unique<state>(state{.events = events, .rng = rng})) {}

network::~network() {
    for (auto& [id, each] : state_->links) {
        if (const auto there = each.lock()) {
            there->orphans = {};
        }
    }
}

void network::set_weather(const network_weather& weather) noexcept {
    state_->weather = weather;
}

socket_ptr network::make_socket(int family) {
    return state_->make(family);
}

std::pair<socket_ptr, socket_ptr> network::make_pair() {
    auto first = state_->make(AF_UNIX);
    auto second = state_->make(AF_UNIX);
    state_->join(first, second)->is_local = true;
    return {first, second};
}

std::pair<socket_ptr, socket_ptr> network::make_pipe() {
    auto ends = make_pair();
    for (const auto& each : {ends.first, ends.second}) {
        each->is_pipe = true;
        each->send_room = each->receive_room = pipe_bytes / 2;  // Together what a pipe holds.
    }
    ends.first->can_write = false;
    ends.second->can_read = false;
    return ends;
}

int network::bind(const socket_ptr& which, const sockaddr* address_of, socklen_t address_bytes) {
    address wanted;
    if (which->is_bound || which->at != phase::fresh) {
        return -EINVAL;
    }
    if (const int refused = parse(address_of, address_bytes, which->family, wanted); refused != 0) {
        return refused;
    }
    return state_->take_name(which, wanted);
}

int network::listen(const socket_ptr& which, int backlog) {
    if (which->at == phase::fresh) {
        if (!which->is_bound) {
            if (const int refused = state_->take_name(which, which->local); refused != 0) {
                return refused;
            }
        }
        which->at = phase::listening;
    } else if (which->at != phase::listening) {
        return -EINVAL;
    }
    which->backlog = static_cast<std::size_t>(std::max(backlog, 0));
    return 0;
}

int network::connect(const socket_ptr& which, const sockaddr* address_of, socklen_t address_bytes) {
    switch (which->at) {
        case phase::connecting:
            return -EALREADY;
        case phase::connected:
        case phase::listening:
        case phase::over:
            return -EISCONN;
        case phase::fresh:
            break;
    }
    if (which->pending_error != 0) {
        return -std::exchange(which->pending_error, 0);
    }
    address wanted;
    if (const int refused = parse(address_of, address_bytes, which->family, wanted); refused != 0) {
        return refused;
    }
    if (!which->is_bound) {
        address from = wanted;  // The loopback talks to itself, a client comes from elsewhere.
        from.port = 0;
        if (!wanted.is_loopback()) {
            from.octets[15] = 2;
        }
        if (const int refused = state_->take_name(which, from); refused != 0) {
            return -EADDRNOTAVAIL;
        }
    }
    which->peer = wanted;
    which->at = phase::connecting;
    state_->events.after(state_->latency(),
                         [state = state_.get(), which] { state->knock(which, 0); });
    return -EINPROGRESS;
}

socket_ptr network::accept(const socket_ptr& which, int& result) {
    if (which->at != phase::listening) {
        result = -EINVAL;
        return nullptr;
    }
    if (which->arrived.empty()) {
        result = -EAGAIN;
        return nullptr;
    }
    result = 0;
    socket_ptr next = std::move(which->arrived.front());
    which->arrived.pop_front();
    return next;
}

std::int64_t network::receive(const socket_ptr& which, std::span<std::byte> into) {
    if (!which->can_read) {
        return -EBADF;
    }
    if (!which->inbox.empty()) {
        const auto got = which->inbox.pop(into);
        if (which->wire != nullptr) {
            state_->pump(which->wire, 1 - which->side);
        }
        return static_cast<std::int64_t>(got);
    }
    if (which->pending_error != 0) {
        return -std::exchange(which->pending_error, 0);
    }
    if (which->has_fin || which->reads_no_more || which->at == phase::over) {
        return 0;
    }
    if (which->at != phase::connected) {
        return which->at == phase::connecting ? -EAGAIN : -ENOTCONN;
    }
    return -EAGAIN;
}

std::int64_t network::send(const socket_ptr& which, std::span<const std::byte> octets, int flags) {
    if (!which->can_write) {
        return -EBADF;
    }
    if (which->pending_error != 0) {
        return -std::exchange(which->pending_error, 0);
    }
    if (which->at == phase::over || which->wants_fin) {
        return -EPIPE;
    }
    if (which->at != phase::connected) {
        return which->at == phase::connecting ? -EAGAIN : -EPIPE;
    }
    const socket_ptr other = which->wire->ends[1 - which->side].lock();
    const bool is_other_gone = other == nullptr || other->is_closed;
    if (which->wire->is_local && is_other_gone) {
        return -EPIPE;
    }
    if (octets.empty()) {
        return 0;
    }
    const std::size_t room = which->send_room - std::min(which->send_room, which->outbox.size());
    if (room == 0) {
        return -EAGAIN;
    }
    std::size_t count = std::min(room, octets.size());
    const bool is_urgent = (flags & MSG_OOB) != 0 && count == octets.size();
    const bool goes_inline = other != nullptr && other->urgent_inline;
    which->outbox.push(octets.first(is_urgent && !goes_inline ? count - 1 : count));
    if (which->wire->is_silent) {
        state_->note_unacknowledged(which->wire, which->side);
    } else {
        state_->pump(which->wire, which->side);
    }
    return static_cast<std::int64_t>(count);
}

int network::shutdown(const socket_ptr& which, int how) {
    if (which->at == phase::listening) {
        which->at = phase::fresh;
        state_->tell(*which);
        return 0;
    }
    if (which->at != phase::connected) {
        return -ENOTCONN;
    }
    if (how == SHUT_RD || how == SHUT_RDWR) {
        which->reads_no_more = true;
        state_->tell(*which);
    }
    if ((how == SHUT_WR || how == SHUT_RDWR) && !which->wants_fin) {
        which->wants_fin = true;
        state_->tell(*which);
        state_->pump(which->wire, which->side);
    }
    return 0;
}

void network::close(const socket_ptr& which) {
    if (std::exchange(which->is_closed, true)) {
        return;
    }
    if (which->is_bound) {
        state_->forget_name(*which);
    }
    for (const auto& each : std::exchange(which->arrived, {})) {
        each->is_closed = true;
        state_->reset(each->wire, 1 - each->side);
    }
    if (which->at != phase::connected && which->at != phase::connecting) {
        return;
    }
    const auto wire = which->wire;
    if (wire == nullptr) {
        return;  // It had not got through.
    }
    const bool aborts = which->at == phase::connecting ||
                        (which->lingering.l_onoff != 0 && which->lingering.l_linger == 0) ||
                        !which->inbox.empty();
    if (aborts && (!wire->is_local || !which->inbox.empty())) {
        which->at = phase::over;
        which->outbox.clear();
        which->inbox.clear();
        if (wire->is_silent) {
            return;
        }
        state_->events.after(wire->is_local ? runtime::duration::zero() : state_->latency(),
                             [state = state_.get(), wire, side = 1 - which->side] {
                                 if (!wire->is_silent) {
                                     const auto other = wire->ends[side].lock();
                                     const bool is_pipe = other != nullptr && other->is_pipe;
                                     state->reset(wire, side, is_pipe ? EPIPE : ECONNRESET);
                                 }
                             });
        return;
    }
    if (!wire->is_silent && (!which->wants_fin || !which->outbox.empty())) {
        which->wants_fin = true;
        if (!wire->flows[which->side].fin_delivered) {
            wire->orphans[which->side] = which;  // Until the last octet has left.
        }
        state_->pump(wire, which->side);
    } else if (!wire->is_silent && !wire->flows[which->side].fin_delivered) {
        wire->orphans[which->side] = which;
    }
    if (wire->is_local) {
        // The other end's writes fail from now on.
        if (const auto other = wire->ends[1 - which->side].lock()) {
            state_->tell(*other);
        }
    }
}

int network::set_option(const socket_ptr& which, int level, int name, const void* value,
                        socklen_t size) {
    int number = 0;
    if (size >= sizeof number) {
        std::memcpy(&number, value, sizeof number);
    }
    if (level == SOL_SOCKET) {
        switch (name) {
            case SO_REUSEADDR:
                which->reuse_address = number != 0;
                return 0;
            case SO_REUSEPORT:
                which->reuse_port = number != 0;
                return 0;
            case SO_OOBINLINE:
                which->urgent_inline = number != 0;
                return 0;
            case SO_SNDBUF:
                which->send_room =
                    std::max<std::size_t>(static_cast<std::size_t>(number) * 2, 4'608);
                return 0;
            case SO_RCVBUF:
                which->receive_room =
                    std::max<std::size_t>(static_cast<std::size_t>(number) * 2, 2'304);
                return 0;
            case SO_LINGER:
                if (size < sizeof which->lingering) {
                    return -EINVAL;
                }
                std::memcpy(&which->lingering, value, sizeof which->lingering);
                return 0;
            case SO_KEEPALIVE:
                return 0;
            default:
                return -ENOPROTOOPT;
        }
    }
    if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY) {
        which->v6_only = number != 0;
        return 0;
    }
    if (level == IPPROTO_TCP) {
        switch (name) {
            case TCP_NODELAY:
            case TCP_KEEPIDLE:
            case TCP_KEEPINTVL:
            case TCP_KEEPCNT:
                return 0;
            case TCP_USER_TIMEOUT:
                which->user_timeout = number == 0 ? runtime::duration(give_up_after)
                                                  : std::chrono::milliseconds(number);
                return 0;
            case TCP_CONGESTION: {
                const std::string_view wanted(static_cast<const char*>(value), size);
                return wanted == "cubic" || wanted == "reno" || wanted == "bbr" ? 0 : -ENOENT;
            }
            default:
                return -ENOPROTOOPT;
        }
    }
    return -ENOPROTOOPT;
}

int network::local_address(const socket_ptr& which, sockaddr* into,
                           socklen_t* address_bytes) const {
    format(which->local, which->family, into, address_bytes);
    return 0;
}

int network::peer_address(const socket_ptr& which, sockaddr* into, socklen_t* address_bytes) const {
    if (which->at != phase::connected) {
        return -ENOTCONN;
    }
    format(which->peer, which->family, into, address_bytes);
    return 0;
}

bool network::is_readable(const socket_ptr& which) const {
    switch (which->at) {
        case phase::listening:
            return !which->arrived.empty();
        case phase::connected:
            return !which->inbox.empty() || which->has_fin || which->reads_no_more;
        case phase::connecting:
            return false;
        case phase::fresh:
        case phase::over:
            return true;
    }
    return true;
}

bool network::is_writable(const socket_ptr& which) const {
    switch (which->at) {
        case phase::connected: {
            const socket_ptr other = which->wire->ends[1 - which->side].lock();
            if (which->wire->is_local && (other == nullptr || other->is_closed)) {
                return true;  // An error is there to be had.
            }
            // As tcp(7)'s sk_stream_is_writeable: a third of the room is free.
            return which->wants_fin || which->outbox.size() * 3 < which->send_room * 2;
        }
        case phase::listening:
        case phase::connecting:
            return false;
        case phase::fresh:
        case phase::over:
            return true;
    }
    return true;
}

int network::count_unread(const socket_ptr& which) const {
    return static_cast<int>(which->inbox.size());
}

int network::take_error(const socket_ptr& which) {
    return std::exchange(which->pending_error, 0);
}

watch_token network::watch(const socket_ptr& which, std::function<void()> changed) {
    const watch_token token = ++state_->last_token;
    state_->watchers.emplace(token, state::watcher{.of = which, .changed = std::move(changed)});
    which->watches.push_back(token);
    return token;
}

void network::unwatch(watch_token token) {
    const auto found = state_->watchers.find(token);
    if (found == state_->watchers.end()) {
        return;
    }
    if (const auto there = found->second.of.lock()) {
        std::erase(there->watches, token);
    }
    state_->watchers.erase(found);
}

void network::doom_connection(const socket_ptr& which, direction flow, std::uint64_t after_bytes,
                              doom how) {
    if (which->wire == nullptr) {
        return;
    }
    const unsigned side = side_of(flow);
    which->wire->flows[side].fate = {std::max(after_bytes, which->wire->flows[side].delivered),
                                     how};
    state_->meet_fate(which->wire, side);
}

void network::when_connected(std::function<void(const socket_ptr&)> tell) {
    state_->connected = std::move(tell);
}

void network::vanish(const socket_ptr& which) {
    which->is_closed = true;
    if (which->is_bound) {
        state_->forget_name(*which);
    }
    for (const auto& each : std::exchange(which->arrived, {})) {
        vanish(each);
    }
    if (which->wire != nullptr && !which->wire->is_silent) {
        state_->silence(which->wire);
    }
    which->at = phase::over;
    state_->tell(*which);
}

std::size_t network::count_connections() const noexcept {
    std::size_t count = 0;
    for (const auto& [id, each] : state_->links) {
        const auto there = each.lock();
        if (there == nullptr || there->is_silent) {
            continue;
        }
        count += std::ranges::any_of(there->ends, [](const std::weak_ptr<socket>& end) {
            const auto open = end.lock();
            return open != nullptr && !open->is_closed;
        });
    }
    return count;
}

std::size_t network::count_sockets() const noexcept {
    return *state_->sockets_alive;
}

}  // namespace ferry::sim
