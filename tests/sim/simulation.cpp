#include "simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "../unit/allocation_faults.hpp"
#include "ferry/base/units.hpp"
#include "ferry/net/seal_buffers.hpp"
#include "ferry/net/stream.hpp"
#include "ferry/runtime/frame_pool.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry_host.hpp"
#include "scene.hpp"
#include "server_accounts.hpp"
#include "server_sites.hpp"
#include "sim/scope.hpp"
#include "sim/world.hpp"
#include "tls_chance.hpp"
#include "tls_side.hpp"

namespace ferry::sim::test {

using namespace std::chrono_literals;

namespace {

// What a core may submit in one turn: what is ready when it begins (1,024 at most), each some
// steps.
constexpr std::uint64_t submitted_per_turn_max = 20'000;
// Events without an operation of the server's: the world turns, and nobody gets anywhere.
constexpr std::uint64_t idle_events_max = 5'000'000;
constexpr auto safety_time_max = 20min;
// After the clients have left, the longest deadline of the server's and some air.
constexpr auto farewell_time_max = 15min;
constexpr auto unwinding_time_max = 30s;
constexpr auto served_time_max = 1s;
// Where there are few places: a session whose password was wrong, or with octets unread, is there
// for a while after its client has gone.
constexpr auto place_time_max = 60s;
// More than one batch of a directory: 256 names.
constexpr std::uint64_t crowd_min = 250;
constexpr auto time_to_begin = 1ms;
// A start's search for what uploads have left goes through some tens of directories.
constexpr auto sweep_time_max = 1s;
// What the server may hold on the heap for an HTTP connection: 256 KiB of content, or as much
// through which it copies a file that it puts a part in, what has come while it answers and what
// came along with the head, each in memory that has grown to twice as much, 64 KiB through which it
// drops what nobody wants, and answers, a page of
// 256 names and the coroutines; and for an FTP session: 128 KiB of a text and twice as much that it
// may become on its way, what has come, and the coroutines of two connections.
constexpr std::size_t heap_per_http_connection_max = 256_KiB + 4 * net::input_bytes_max + 128_KiB;
constexpr std::size_t heap_per_ftp_session_max = 384_KiB + net::input_bytes_max + 32_KiB;
// Over TLS each of them holds besides, of which FTP's has two connections: what was opened, in
// memory that has grown to twice as much; a piece as it was received; and a quantum in clear,
// sealed, and on its way.
// And of the process, which tickets were used.
constexpr std::size_t heap_of_tickets = 2'048_KiB + 16_KiB;
// Of a core: what one connection has sealed in and the next one will.
constexpr std::size_t heap_for_sealing_max =
    net::seal_buffers::kept_max * net::seal_buffers::kept_room_bytes_max;
constexpr std::size_t heap_per_tls_max = 2 * net::input_bytes_max + 64_KiB + 3 * 128_KiB;
// Where a directory is larger than that, and for as many listings as may hold all of one: each name
// of it, twice while what holds them grows, and its row of the page.
constexpr std::size_t heap_per_name_max = 640;
// And for each core: 64 KiB of the access log, what its loops and the start-up sweep hold.
constexpr std::size_t heap_per_core_max = 96_KiB;
// For what a file cache knows of names seen once, and of each entry besides its content.
constexpr std::size_t heap_per_file_cache_max = 40_KiB;
constexpr std::size_t heap_per_entry_max = 4_KiB;
// For what a listing cache knows of directories seen once, and of each besides its entries, which
// are there twice while one of them changes.
constexpr std::size_t heap_per_listing_cache_max = 16_KiB;
constexpr std::size_t heap_per_directory_max = 2_KiB;
// And of each of the four files that it packs at once: its content, and as much.
constexpr std::size_t packed_at_once_max = 4;

world* running_world = nullptr;
const host* servers_machine = nullptr;

bool is_server_running() noexcept {
    return under_test::is_running() && host::current() == servers_machine;
}

bool allocation_fails() noexcept {
    if (!under_test::is_running()) {
        return false;
    }
    const in_simulator here;
    host* const on = host::current();
    return on != nullptr && on->trouble().strikes(trouble::allocation);
}

/// The network's mood, by the seed.
network_weather draw_weather(world& in, fault_level level) {
    network_weather drawn;
    if (level == fault_level::none || level == fault_level::nth || in.chance(3)) {
        return drawn;
    }
    static constexpr runtime::duration latencies[] = {1us, 50us, 500us, 5ms, 40ms};
    drawn.latency_min = latencies[in.rng().below(3)];
    drawn.latency_max = drawn.latency_min + latencies[in.rng().below(5)];
    drawn.segment_bytes_min = in.chance(3) ? 1 : 1'460;
    drawn.segment_bytes_max = drawn.segment_bytes_min + (in.chance(2) ? 3'000U : 65'536U);
    drawn.send_buffer_bytes = std::size_t{4'096} << in.rng().below(8);
    drawn.receive_buffer_bytes = std::size_t{4'096} << in.rng().below(7);
    return drawn;
}

/// What nobody renames or removes, in every fifth world: not drawn, so that the others stay as they
/// are.
std::vector<std::string> choose_mounts(std::uint64_t seed) {
    return seed % 5 == 2 ? std::vector<std::string>{"/home", "/static", "/static/sub"}
                         : std::vector<std::string>{};
}

/// In every seventh world, not drawn either.
bool copies_files(const run_options& options) {
    return options.seed % 7 == 3 || options.clients == cast::ftp_all;
}

/// From a source of its own: the worlds of before, which had no file cache, stay as they were.
vfs::file_cache::bounds draw_open_files(const run_options& options) {
    ferry::random own(options.seed ^ 0x66696c65U);
    vfs::file_cache::bounds drawn;
    drawn.entries_max = std::size_t{1} << (1 + own.below(8));
    drawn.body_bytes_max = own.below(3) == 0 ? 0 : 8_KiB;
    drawn.bodies_bytes_max = 16_KiB << own.below(3);
    drawn.kept_min = own.below(2) == 0 ? runtime::duration::zero() : runtime::duration(1s);
    drawn.trusted_max = own.below(4) == 0 ? runtime::duration(20ms) : runtime::duration(1s);
    drawn.idle_max = runtime::duration(1s) * static_cast<int>(1 + own.below(10));
    if (!options.keeps_files || own.below(6) == 0) {
        drawn.entries_max = 0;
    }
    drawn.keeps_absence = own.below(4) != 0;
    return drawn;
}

/// The same for what is kept of answers.
std::size_t draw_answer_cache_bytes(const run_options& options) {
    ferry::random own(options.seed ^ 0x616E7377U);
    return options.keeps_files && own.below(5) != 0 ? 2_KiB << own.below(5) : 0;
}

/// The same for what is kept of directories.
vfs::listing_cache::bounds draw_kept_listings(const run_options& options) {
    ferry::random own(options.seed ^ 0x6C697374U);
    vfs::listing_cache::bounds drawn;
    drawn.bytes_max = 8_KiB << own.below(6);
    drawn.directories_max = std::size_t{1} << own.below(7);
    drawn.trusted_max = own.below(4) == 0 ? runtime::duration(20ms) : runtime::duration(1s);
    drawn.idle_max = runtime::duration(1s) * static_cast<int>(1 + own.below(10));
    if (!options.keeps_files || own.below(6) == 0) {
        drawn.bytes_max = 0;
    }
    return drawn;
}

/// Whether what came of an upload that was cut off stays for its owner, as it does by default.
bool keeps_parts(const run_options& options) {
    ferry::random own(options.seed ^ 0x70617274U);
    return own.below(3) != 0;
}

/// Clients of FTP that use every command, structure and type. None of the worlds of tests/regress
/// has them: those stay as they are.
bool says_all(const run_options& options) {
    ferry::random own(options.seed ^ 0x726172B3U);
    return options.clients == cast::ftp_all || (options.has_extras && own.below(3) == 0);
}

/// Clients that go on with their uploads over HTTP.
bool resumes_uploads(const run_options& options) {
    ferry::random own(options.seed ^ 0x72657375U);
    return options.has_extras && keeps_parts(options) && own.below(3) == 0;
}

/// What inotify has room for, now and then less than is wanted.
void limit_watches(const run_options& options, host& machine) {
    ferry::random own(options.seed ^ 0x77617463U);
    if (own.below(4) == 0) {
        machine.watching()->queued_events_max = 1 + own.below(30);
    }
    if (own.below(4) == 0) {
        machine.watching()->watches_max = own.below(20);
    }
}

/// Whether clients ask for codings, and how the server packs then.
struct drawn_packing {
    bool is_asked_for = false;
    http::compression how{};
};
drawn_packing draw_packing(const run_options& options) {
    using enum http::content_coding;
    drawn_packing drawn;
    ferry::random own(options.seed ^ 0x7061636bU);
    if (!options.has_extras || own.below(4) != 0) {
        return drawn;
    }
    drawn.is_asked_for = true;
    auto& codings = drawn.how.codings;
    codings.clear();
    for (const auto each : {gzip, brotli, zstd}) {
        if (own.below(4) != 0) {
            const auto at = own.below(codings.size() + 1);
            codings.insert(codings.begin() + static_cast<std::ptrdiff_t>(at), each);
        }
    }
    drawn.how.size_bytes_max = own.below(3) == 0 ? 16_KiB : 64_KiB;
    drawn.how.cache_bytes_max = own.below(3) == 0 ? 12_KiB : 512_KiB;
    drawn.how.uses_files_beside = own.below(2) == 0;
    return drawn;
}

/// What a core holds of it at most: what is kept, as much that answers still have, and what is
/// made.
std::size_t bytes_max_of(const drawn_packing& drawn) {
    return drawn.is_asked_for ? 2 * drawn.how.cache_bytes_max +
                                    packed_at_once_max * 2 * drawn.how.size_bytes_max + 16_KiB
                              : 0;
}

/// What of it clients must know.
packing_settings told_of(const drawn_packing& drawn) {
    constexpr std::size_t all_of_a_scene = 256_KiB;
    packing_settings made{.is_asked_for = drawn.is_asked_for,
                          .codings = {},
                          .size_bytes_min = drawn.how.size_bytes_min,
                          .size_bytes_max = drawn.how.size_bytes_max,
                          .has_room = drawn.how.cache_bytes_max >= all_of_a_scene,
                          .uses_files_beside = drawn.how.uses_files_beside};
    for (const auto each : drawn.how.codings) {
        made.codings.emplace_back(name_of(each));
    }
    return made;
}

/// The sites of a server that has more than one; in most worlds it has not.
sites_settings draw_world_sites(const run_options& options) {
    ferry::random own(options.seed ^ 0x73697465U);
    return options.has_extras && own.below(4) == 0 ? draw_sites(own) : sites_settings{};
}

/// Whether the server speaks TLS, too. In none of the worlds of tests/regress: those stay as they
/// are.
bool has_tls(const run_options& options) {
    ferry::random own(options.seed ^ 0x746C73A3U);
    return options.has_tls || (options.has_extras && own.below(4) == 0);
}

ferry_settings draw_settings(const run_options& options, world& in, vfs::durability durability,
                             bool is_crowded) {
    ferry_settings drawn;
    drawn.open_files = draw_open_files(options);
    drawn.kept_listings = draw_kept_listings(options);
    drawn.mounts = choose_mounts(options.seed);
    drawn.cores = 1 + in.rng().below(2);
    drawn.reactor.receive_buffers = 16U << in.rng().below(4);
    drawn.reactor.receive_buffer_bytes = in.chance(3) ? 512 : 4'096;
    drawn.ftp.durability = drawn.http.durability = durability;
    drawn.parts_kept = keeps_parts(options) ? runtime::duration(24h) : runtime::duration::zero();
    drawn.http.packing = draw_packing(options).how;
    drawn.http.answer_cache_bytes = draw_answer_cache_bytes(options);
    drawn.sites = server_sites(draw_world_sites(options));
    drawn.users = server_accounts();
    drawn.has_tls = has_tls(options);
    drawn.anonymous = auth::rights::read_only();
    if (in.chance(2)) {
        drawn.listings = {.reads_max = 1, .held_max = 1};
    }
    if (is_crowded) {
        drawn.connections_max = 2 + in.rng().below(8);
        drawn.ftp_sessions_max = 1 + in.rng().below(4);
    }
    return drawn;
}

/// One run, from the making of its world to its end.
class run {
  public:
    run(const run_options& options, std::function<void(std::string_view)> follower)
        : options_(options),
          chance_(options.seed),
          world_(options.seed),
          durability_(static_cast<vfs::durability>(world_.rng().below(3))),
          is_crowded_(may_be_crowded() && world_.chance(4)),
          server_(world_, draw_settings(options_, world_, durability_, is_crowded_)),
          clients_host_(world_),
          clients_(clients_host_, {.receive_buffers = 256}),
          clients_core_(0, clients_, ferry::random(world_.rng().next())) {
        running_world = &world_;
        servers_machine = &server_.machine();
        limit_watches(options_, server_.machine());
        world_.record().tell(std::move(follower));
    }
    ~run() {
        running_world = nullptr;
        servers_machine = nullptr;
    }

    run_result operator()() {
        begin();
        safety();
        liveness();
        farewell();
        return conclude();
    }

  private:
    [[nodiscard]] bool is_by_chance() const noexcept {
        return options_.faults == fault_level::light || options_.faults == fault_level::heavy;
    }
    /// Whoever keeps a connection for good would keep the others out.
    [[nodiscard]] bool may_be_crowded() const noexcept {
        return is_by_chance() && options_.clients == cast::mixed;
    }
    [[nodiscard]] faults& trouble_here() noexcept { return server_.machine().trouble(); }

    void begin() {
        world_.wires().set_weather(draw_weather(world_, options_.faults));
        scene_settings about{.durability = static_cast<promised>(durability_),
                             .excused = draw_excuses(),
                             .keeps_parts = keeps_parts(options_),
                             .resumes_uploads = resumes_uploads(options_),
                             .copies_files = copies_files(options_),
                             .says_all = says_all(options_),
                             .packing = told_of(draw_packing(options_)),
                             .sites = draw_world_sites(options_)};
        if (options_.clients == cast::mixed && world_.chance(4)) {
            about.crowd = crowd_min + world_.rng().below(crowd_min);
        }
        about.http = ferry_host::http_address();
        about.ftp = ferry_host::ftp_address();
        if (has_tls(options_)) {
            about.tls = {.by = std::make_shared<tls_clients>(),
                         .https = ferry_host::https_address(),
                         .ftps = ferry_host::ftps_address()};
        }
        about.network = {.when_cut =
                             [this](int fd, std::function<void(std::uint64_t)> tell) {
                                 if (const auto found = clients_host_.connection(fd)) {
                                     world_.wires().when_cut(found, std::move(tell));
                                 }
                             },
                         .is_incoming_cut =
                             [this](int fd) {
                                 const auto found = clients_host_.connection(fd);
                                 return found != nullptr && world_.wires().is_incoming_cut(found);
                             }};
        scene_.emplace(world_, server_.machine(), clients_core_, std::move(about), seen_);
        start_server();
        world_.wires().when_connected([this](const socket_ptr& which) { doom_some(which); });
        clients_.begin();
        const host::in_use here(clients_host_);
        tasks_.emplace(clients_core_, clients_stop_);
        tasks_->start([](runtime::nursery& all) -> runtime::task<> {
            // Somebody is there until the end: an empty core would quit.
            static_cast<void>(co_await runtime::sleep_until(all.here(), runtime::never));
        });
        scene_->enter(*tasks_, options_.clients);
    }

    /// What the seed lets go wrong with connections, and what of it clients must put up with.
    excuses draw_excuses() {
        if (options_.faults == fault_level::none) {
            return {};
        }
        const bool by_chance = options_.faults != fault_level::nth;
        for (const doom each : {doom::reset, doom::silence, doom::finish}) {
            // One who is silent keeps its place until the server has lost patience.
            const bool is_possible = by_chance && (!is_crowded_ || each != doom::silence);
            if (is_possible && world_.chance(2)) {
                dooms_.push_back(each);
            }
        }
        const auto has = [this](doom each) {
            return std::ranges::find(dooms_, each) != dooms_.end();
        };
        return {.faults = true,
                .resets = has(doom::reset),
                .silences = has(doom::silence),
                .finishes = has(doom::finish),
                .server_ends = by_chance,
                .crowding = is_crowded_,
                .clock_jumps = by_chance};
    }

    void doom_some(const socket_ptr& which) {
        if (dooms_.empty() || is_mischief_over_ ||
            !trouble_here().strikes(trouble::connection_doom)) {
            return;
        }
        const auto flow = world_.chance(2) ? direction::to_acceptor : direction::to_connector;
        const std::uint64_t after = world_.rng().below(world_.chance(2) ? 300 : 60'000);
        world_.wires().doom_connection(which, flow, after,
                                       dooms_[world_.rng().below(dooms_.size())]);
    }

    /// Once the server has begun: one that cannot even begin is started again by who runs it.
    void stir_later() {
        world_.events().after(time_to_begin, [this] {
            if (!is_mischief_over_) {
                stir();
            }
        });
    }

    /// Lets things go wrong as the options have it.
    void stir() {
        switch (options_.faults) {
            case fault_level::none:
                trouble_here().calm();
                break;
            case fault_level::light:
            case fault_level::heavy:
                trouble_here().draw(static_cast<unsigned>(options_.faults));
                break;
            case fault_level::nth:
                trouble_here().strike_nth(options_.nth);
                break;
        }
    }

    void start_server() {
        server_.start();
        is_down_ = false;
        heap_before_ = ferry::test::counted_bytes();  // What is kept of those that have crashed.
        stir_later();
    }

    void look_at_heap() {
        const std::size_t held = ferry::test::counted_bytes();
        heap_peak_ = std::max(heap_peak_, held);
        const std::size_t sessions = server_.ftp_sessions();
        const std::size_t others = server_.connections() - sessions;
        const auto& kept = server_.open_files();
        const auto& directories = server_.kept_listings();
        const std::size_t per_core =
            heap_per_core_max +
            (kept.entries_max == 0
                 ? 0
                 : heap_per_file_cache_max + kept.entries_max * heap_per_entry_max +
                       kept.bodies_bytes_max) +
            (directories.bytes_max == 0 ? 0
                                        : heap_per_listing_cache_max +
                                              directories.directories_max * heap_per_directory_max +
                                              2 * directories.bytes_max) +
            packing_bytes_max_ + answers_bytes_max_;
        const std::size_t allowed =
            heap_before_ + (has_tls_ ? heap_of_tickets : 0) + server_.cores() * per_core +
            (has_tls_ ? server_.cores() * heap_for_sealing_max : 0) +
            others * heap_per_http_connection_max + sessions * heap_per_ftp_session_max +
            (has_tls_ ? (others + 2 * sessions) * heap_per_tls_max : 0) +
            std::min(others + sessions, server_.held_listings_max()) * scene_->crowd() *
                heap_per_name_max;
        if (held > allowed) {
            fail("more memory than the connections may hold",
                 fmt::format("{} octets on the heap with {} HTTP connections and {} FTP sessions, "
                             "{} allowed",
                             held, others, sessions, allowed));
        }
    }

    void fail(std::string rule, std::string details) {
        seen_.add({.client = "the simulator",
                   .rule = std::move(rule),
                   .details = std::move(details),
                   .request = {}});
    }

    /// Steps the world until `over()`, at most for `time_max`. False: it is not over.
    template <class Over>
    bool step_until(Over over, runtime::duration time_max) {
        const auto until = world_.now() + time_max;
        std::uint64_t idle_events = 0;
        std::uint64_t operations = server_.operations();
        while (!over()) {
            if (!seen_.is_clean() || !world_.events().step(until)) {
                return over();
            }
            look_at_heap();
            if (server_.operations() != operations) {
                operations = server_.operations();
                idle_events = 0;
            } else if (++idle_events > idle_events_max) {
                fail("time goes on without end",
                     fmt::format("{} events in {} s without an operation of the server",
                                 idle_events, world_.now().time_since_epoch() / 1s));
                return false;
            }
        }
        return true;
    }

    void safety() {
        const auto enough = [this] {
            return server_.operations() >= options_.operations || scene_->is_empty();
        };
        schedule_mischief();
        static_cast<void>(step_until(enough, safety_time_max));
        is_mischief_over_ = true;
    }

    // What an operator, another program or fate does to the server's machine now and then.
    void schedule_mischief() {
        if (options_.faults == fault_level::none || options_.faults == fault_level::nth) {
            return;
        }
        world_.events().after(world_.between(1ms, 80ms), [this] {
            if (!is_mischief_over_) {
                mischief();
                schedule_mischief();
            }
        });
    }

    void mischief() {
        if (trouble_here().strikes(trouble::clock_jump)) {
            world_.note("clock jump");
            server_.machine().jump_wall_clock(world_.between(-36h, 36h));
        }
        if (trouble_here().strikes(trouble::file_change)) {
            scene_->change_a_file();
            server_.note_others();
        }
        if (trouble_here().strikes(trouble::crash)) {
            crash_and_start_anew();
        }
    }

    void crash_and_start_anew() {
        ++crashes_;
        is_down_ = true;
        world_.note("crash");
        const crash_weather weather{.file_sync_commits_names = world_.chance(2),
                                    .writes_may_survive = world_.chance(2)};
        server_.crash(weather);
        trouble_here().calm();
        scene_->server_crashed();
        // Unwinding takes virtual time, in which this, an event itself, cannot step the world.
        wait_for_unwinding(world_.now() + unwinding_time_max);
    }

    void wait_for_unwinding(runtime::time_point until) {
        if (server_.has_ended()) {
            start_server();
            return;
        }
        if (world_.now() > until) {
            fail("a server without power does not end", "");
            return;
        }
        world_.events().after(1ms, [this, until] { wait_for_unwinding(until); });
    }

    void liveness() {
        if (!seen_.is_clean()) {
            return;
        }
        trouble_here().calm();
        world_.wires().set_weather({});
        world_.note("liveness");
        if (!step_until([this] { return !is_down_; }, unwinding_time_max)) {
            fail("the server is not back after a crash", "");
            return;
        }
        const host::in_use here(clients_host_);
        scene_->ask_to_leave();
        const bool may_be_put_off = server_.has_failed_logins();
        scene_->enter_fresh(*tasks_, may_be_put_off);
        clients_.wake();  // This was not in one of its turns.
        const auto time_max = (is_crowded_ ? place_time_max : served_time_max) +
                              (may_be_put_off ? 2 * failed_login_delay_max : 0s);
        if (!step_until([this] { return scene_->are_fresh_served(); }, time_max) &&
            seen_.is_clean()) {
            fail("a fresh client is not served in time once all is calm",
                 scene_->who_is_not_served());
        }
        static_cast<void>(step_until([this] { return scene_->is_empty(); }, safety_time_max));
        if (seen_.is_clean() && !scene_->is_empty()) {
            fail("a client has not come to an end", "");
        }
    }

    void farewell() {
        if (!seen_.is_clean()) {
            return;
        }
        end_server();
        if (seen_.is_clean()) {
            scene_->check_disk();
        }
        // What a fault has kept from being removed goes when the server comes back in calm.
        if (seen_.is_clean() && scene_->has_hidden_names()) {
            world_.note("recovery");
            start_server();
            static_cast<void>(step_until([] { return false; }, sweep_time_max));
            end_server();
            scene_->check_recovered_disk();
        }
    }

    /// Drains the server. What is left in the machine then is a violation.
    void end_server() {
        world_.note("drain");
        {
            const host::in_use here(server_.machine());
            server_.drain();
        }
        if (!step_until([this] { return server_.has_ended(); }, farewell_time_max)) {
            fail("the server has not ended by its deadline", "");
            return;
        }
        // What the pool still closes.
        static_cast<void>(step_until([] { return false; }, 10s));
        for (const auto& each : server_.leftovers()) {
            fail("something is left at the end", each);
        }
        if (server_.closed_under_operations() != 0) {
            fail("a descriptor is closed with an operation in flight (R5)",
                 fmt::format("{} times", server_.closed_under_operations()));
        }
        if (server_.machine().strays() != 0) {
            fail("a descriptor is closed or used that is not open",
                 fmt::format("{} times", server_.machine().strays()));
        }
        if (server_.submitted_per_turn_max() > submitted_per_turn_max) {
            fail("a core does not yield",
                 fmt::format("{} operations in a turn", server_.submitted_per_turn_max()));
        }
    }

    run_result conclude() {
        auto last_events = world_.record().last();
        report found = seen_;  // What comes after is of the taking apart.
        take_apart();
        run_result made{.trace_hash = world_.record().hash(),
                        .events = world_.record().count(),
                        .operations = server_.operations(),
                        .decisions = trouble_here().decisions(),
                        .struck = trouble_here().struck(),
                        .crashes = crashes_,
                        .heap_peak_bytes = heap_peak_,
                        .simulated = world_.now() - started_,
                        .seen = std::move(found),
                        .last_events = std::move(last_events)};
        return made;
    }

    /// Everybody stops at once who has not, after a violation above all.
    void take_apart() {
        is_mischief_over_ = true;
        trouble_here().calm();
        const auto stop = [this] {
            {
                const host::in_use here(server_.machine());
                server_.stop();
            }
            const host::in_use here(clients_host_);
            scene_->ask_to_leave();
            clients_stop_.request_stop();
            clients_.wake();
        };
        stop();
        const auto until = world_.now() + farewell_time_max;
        while ((!server_.has_ended() || !tasks_->have_ended()) && world_.events().step(until)) {}
    }

    run_options options_;
    tls_chance chance_;
    world world_;
    vfs::durability durability_;
    report seen_;
    bool is_crowded_;  ///< There are fewer places than clients.
    ferry_host server_;
    host clients_host_;
    reactor clients_;
    runtime::core clients_core_;
    runtime::stop_scope clients_stop_;
    std::optional<scene> scene_;
    std::optional<runtime::core_tasks> tasks_;
    std::vector<doom> dooms_;
    std::size_t packing_bytes_max_ = bytes_max_of(draw_packing(options_));
    // Besides its texts each holds what was a file; and there are its places.
    std::size_t answers_bytes_max_ = 3 * draw_answer_cache_bytes(options_);
    bool has_tls_ = has_tls(options_);
    std::uint64_t crashes_ = 0;
    bool is_down_ = true;          // Not started, or crashed and not started again yet.
    std::size_t heap_before_ = 0;  // On the heap as the server was started last.
    std::size_t heap_peak_ = 0;
    bool is_mischief_over_ = false;
    runtime::time_point started_ = world_.now();
};

}  // namespace

run_result simulate(const run_options& options, std::function<void(std::string_view)> follower) {
    runtime::keep_frames(false);
    ferry::test::ask_at_allocations(&allocation_fails);
    ferry::test::count_allocations(&is_server_running);
    auto result = run(options, std::move(follower))();
    ferry::test::ask_at_allocations(nullptr);
    ferry::test::count_allocations(nullptr);
    return result;
}

std::vector<std::string> events_so_far() {
    return running_world == nullptr ? std::vector<std::string>{} : running_world->record().last();
}

}  // namespace ferry::sim::test
