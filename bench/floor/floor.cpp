// The least a server can do: answers everything that looks like a request with the same octets. No
// parsing, no file names, no limits, no log. What tools/bench holds ferry and its peers against:
// the difference to this is what a server itself costs; this is what TCP costs.
//
//     ferry-bench-floor ADDRESS PORT FILE [OCTETS]
//
// With OCTETS it answers so many of a large FILE, from a random place of it each time.
// One thread, one ring: multishot accept, multishot receive from provided buffers. FILE up to 16
// KiB goes out with its head in one send from memory; larger ones by inline sendfile(2) behind the
// head, which is what the data path of ferry does too (datapath facts 1 and 2).

#include <arpa/inet.h>
#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr unsigned ring_entries = 1'024;
constexpr unsigned completions = 16'384;
constexpr unsigned buffer_count = 1'024;  // A power of two.
constexpr unsigned buffer_bytes = 4'096;
constexpr unsigned short buffer_group = 1;
constexpr std::size_t send_bytes_max = 16'384;
constexpr int descriptors_max = 65'536;
constexpr std::string_view head_end = "\r\n\r\n";

[[noreturn]] void give_up(const char* what, int code) {
    std::fprintf(stderr, "floor: %s: %s\n", what, std::strerror(code));
    std::exit(1);
}

int checked(const char* what, int outcome) {
    if (outcome < 0) {
        give_up(what, errno);
    }
    return outcome;
}

enum class job : unsigned { accept, receive, send, writable };

std::uint64_t tag(job what, int fd) noexcept {
    return static_cast<std::uint64_t>(fd) << 2U | static_cast<unsigned>(what);
}

struct connection {
    unsigned in_flight = 0;     ///< Operations whose last completion is still to come.
    unsigned waiting = 0;       ///< Requests not answered yet.
    std::size_t matched = 0;    ///< Octets of `head_end` that the last piece ended with.
    std::size_t head_sent = 0;  ///< Of the answer under way.
    off_t body_from = 0;        ///< Where in the file the answer under way begins,
    off_t body_sent = 0;        ///< and how much of it is sent, where it comes from there.
    bool answering = false;     ///< A send or a wait for room is in flight.
    bool ended = false;         ///< The peer sends no more: close when nothing is in flight.
};

class floor_server {
  public:
    /// `part_bytes`: of each answer; 0: it is the whole file.
    floor_server(int listener, const char* file, std::size_t part_bytes);
    void run();

  private:
    io_uring_sqe* next_entry();
    void add_buffer(unsigned short which);
    void arm_accept();
    void arm_receive(int fd);
    void take(const io_uring_cqe& done);
    void accepted(const io_uring_cqe& done);
    void received(int fd, const io_uring_cqe& done);
    void answer(int fd);
    void send_file(int fd);
    off_t next_place() noexcept;
    void let_go(int fd);

    int listener_;
    int file_ = -1;
    std::size_t file_bytes_ = 0;
    std::size_t body_bytes_ = 0;
    std::uint64_t random_ = 0x9E37'79B9'7F4A'7C15;
    std::string answer_;  ///< The head; and the body behind it where that is small.
    io_uring ring_{};
    io_uring_buf_ring* buffers_ = nullptr;
    std::vector<char> memory_;
    std::vector<connection> connections_;
};

floor_server::floor_server(int listener, const char* file, std::size_t part_bytes)
    : listener_(listener),
      file_(checked(file, open(file, O_RDONLY | O_CLOEXEC))),
      memory_(std::size_t{buffer_count} * buffer_bytes),
      connections_(descriptors_max) {
    struct stat status{};
    checked(file, fstat(file_, &status));
    file_bytes_ = static_cast<std::size_t>(status.st_size);
    body_bytes_ = part_bytes == 0 ? file_bytes_ : part_bytes;
    if (body_bytes_ > file_bytes_ || (part_bytes != 0 && part_bytes <= send_bytes_max)) {
        give_up("OCTETS", EINVAL);
    }
    answer_ =
        "HTTP/1.1 200 OK\r\nServer: floor\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        "Content-Type: application/octet-stream\r\nContent-Length: " +
        std::to_string(body_bytes_) +
        "\r\nLast-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        "ETag: \"0123456789abcdef\"\r\nAccept-Ranges: bytes\r\n\r\n";
    if (body_bytes_ <= send_bytes_max) {
        const auto head_bytes = answer_.size();
        answer_.resize(head_bytes + body_bytes_);
        if (pread(file_, answer_.data() + head_bytes, body_bytes_, 0) !=
            static_cast<ssize_t>(body_bytes_)) {
            give_up(file, EIO);
        }
    }

    io_uring_params parameters{};
    parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                       IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
    parameters.cq_entries = completions;
    if (const int made = io_uring_queue_init_params(ring_entries, &ring_, &parameters); made < 0) {
        give_up("io_uring", -made);
    }
    void* pages = nullptr;
    if (posix_memalign(&pages, 4'096, buffer_count * sizeof(io_uring_buf)) != 0) {
        give_up("memory", ENOMEM);
    }
    buffers_ = static_cast<io_uring_buf_ring*>(pages);
    io_uring_buf_ring_init(buffers_);
    io_uring_buf_reg registration{};
    registration.ring_addr = std::bit_cast<std::uint64_t>(pages);
    registration.ring_entries = buffer_count;
    registration.bgid = buffer_group;
    if (const int made = io_uring_register_buf_ring(&ring_, &registration, 0); made < 0) {
        give_up("buffer ring", -made);
    }
    for (unsigned short i = 0; i < buffer_count; ++i) {
        add_buffer(i);
    }
}

void floor_server::add_buffer(unsigned short which) {
    io_uring_buf_ring_add(buffers_, memory_.data() + std::size_t{which} * buffer_bytes,
                          buffer_bytes, which, io_uring_buf_ring_mask(buffer_count), 0);
    io_uring_buf_ring_advance(buffers_, 1);
}

io_uring_sqe* floor_server::next_entry() {
    auto* entry = io_uring_get_sqe(&ring_);
    while (entry == nullptr) {
        io_uring_submit(&ring_);
        entry = io_uring_get_sqe(&ring_);
    }
    return entry;
}

void floor_server::arm_accept() {
    auto* entry = next_entry();
    io_uring_prep_multishot_accept(entry, listener_, nullptr, nullptr,
                                   SOCK_NONBLOCK | SOCK_CLOEXEC);
    io_uring_sqe_set_data64(entry, tag(job::accept, listener_));
}

void floor_server::arm_receive(int fd) {
    auto* entry = next_entry();
    io_uring_prep_recv_multishot(entry, fd, nullptr, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = buffer_group;
    io_uring_sqe_set_data64(entry, tag(job::receive, fd));
    ++connections_[static_cast<std::size_t>(fd)].in_flight;
}

void floor_server::run() {
    arm_accept();
    for (;;) {
        if (const int turned = io_uring_submit_and_wait(&ring_, 1);
            turned < 0 && turned != -EINTR && turned != -EBUSY) {
            give_up("io_uring_enter", -turned);
        }
        io_uring_cqe* done = nullptr;
        unsigned head = 0;
        unsigned count = 0;
        io_uring_for_each_cqe(&ring_, head, done) {
            take(*done);
            ++count;
        }
        io_uring_cq_advance(&ring_, count);
    }
}

void floor_server::take(const io_uring_cqe& done) {
    const auto what = static_cast<job>(done.user_data & 3U);
    const auto fd = static_cast<int>(done.user_data >> 2U);
    auto& at = connections_[static_cast<std::size_t>(fd)];
    switch (what) {
        case job::accept:
            accepted(done);
            return;
        case job::receive:
            received(fd, done);
            return;
        case job::send:
            --at.in_flight;
            at.answering = false;
            if (done.res < 0) {
                at.ended = true;
            } else if (at.head_sent += static_cast<std::size_t>(done.res);
                       at.head_sent == answer_.size()) {
                at.head_sent = 0;
                --at.waiting;
            }
            break;
        case job::writable:
            --at.in_flight;
            at.answering = false;
            break;
    }
    answer(fd);
}

void floor_server::accepted(const io_uring_cqe& done) {
    if ((done.flags & IORING_CQE_F_MORE) == 0) {
        arm_accept();
    }
    if (done.res < 0) {
        return;
    }
    const int fd = done.res;
    if (fd >= descriptors_max) {
        close(fd);
        return;
    }
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connections_[static_cast<std::size_t>(fd)] = {};
    arm_receive(fd);
}

void floor_server::received(int fd, const io_uring_cqe& done) {
    auto& at = connections_[static_cast<std::size_t>(fd)];
    if ((done.flags & IORING_CQE_F_BUFFER) != 0) {
        const auto which = static_cast<unsigned short>(done.flags >> IORING_CQE_BUFFER_SHIFT);
        const std::string_view piece(memory_.data() + std::size_t{which} * buffer_bytes,
                                     done.res > 0 ? static_cast<std::size_t>(done.res) : 0);
        for (const char c : piece) {
            at.matched = c == head_end[at.matched] ? at.matched + 1 : (c == '\r' ? 1 : 0);
            if (at.matched == head_end.size()) {
                at.matched = 0;
                ++at.waiting;
            }
        }
        add_buffer(which);
    }
    if ((done.flags & IORING_CQE_F_MORE) == 0) {
        --at.in_flight;
        if (done.res > 0 || done.res == -ENOBUFS) {
            arm_receive(fd);
        } else {
            at.ended = true;
        }
    }
    answer(fd);
}

void floor_server::answer(int fd) {
    auto& at = connections_[static_cast<std::size_t>(fd)];
    if (!at.answering && at.waiting > 0 && !at.ended) {
        if (body_bytes_ > send_bytes_max) {
            send_file(fd);
        } else {
            auto* entry = next_entry();
            io_uring_prep_send(entry, fd, answer_.data() + at.head_sent,
                               answer_.size() - at.head_sent, MSG_NOSIGNAL);
            io_uring_sqe_set_data64(entry, tag(job::send, fd));
            at.answering = true;
            ++at.in_flight;
        }
    }
    let_go(fd);
}

/// Where the next answer is from (xorshift).
off_t floor_server::next_place() noexcept {
    random_ ^= random_ << 13U;
    random_ ^= random_ >> 7U;
    random_ ^= random_ << 17U;
    return static_cast<off_t>(random_ % (file_bytes_ - body_bytes_ + 1));
}

/// Sends until all is answered or the socket is full; then it waits for room through the ring.
void floor_server::send_file(int fd) {
    auto& at = connections_[static_cast<std::size_t>(fd)];
    while (at.waiting > 0) {
        ssize_t sent = 0;
        if (at.head_sent < answer_.size()) {
            sent = send(fd, answer_.data() + at.head_sent, answer_.size() - at.head_sent,
                        MSG_MORE | MSG_NOSIGNAL | MSG_DONTWAIT);
            at.head_sent += sent > 0 ? static_cast<std::size_t>(sent) : 0;
            at.body_from = next_place();
        } else {
            off_t offset = at.body_from + at.body_sent;
            sent =
                sendfile(fd, file_, &offset, body_bytes_ - static_cast<std::size_t>(at.body_sent));
            at.body_sent += sent > 0 ? static_cast<off_t>(sent) : 0;
            if (at.body_sent == static_cast<off_t>(body_bytes_)) {
                at.head_sent = 0;
                at.body_sent = 0;
                --at.waiting;
            }
        }
        if (sent < 0 && errno == EAGAIN) {
            auto* entry = next_entry();
            io_uring_prep_poll_add(entry, fd, POLLOUT);
            io_uring_sqe_set_data64(entry, tag(job::writable, fd));
            at.answering = true;
            ++at.in_flight;
            return;
        }
        if (sent <= 0) {
            at.ended = true;
            shutdown(fd, SHUT_RDWR);  // Ends the receive, too.
            return;
        }
    }
}

/// Closes once nothing is in flight: before, the number could be another's already (R5).
void floor_server::let_go(int fd) {
    auto& at = connections_[static_cast<std::size_t>(fd)];
    if (at.ended && at.in_flight == 0) {
        at.ended = false;
        close(fd);
    } else if (at.ended) {
        shutdown(fd, SHUT_RDWR);
    }
}

int make_listener(const char* address, const char* port_text) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    std::uint16_t port = 0;
    const std::string_view text = port_text;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), port);
    if (read.ec != std::errc{} || inet_pton(AF_INET, address, &where.sin_addr) != 1) {
        give_up(address, EINVAL);
    }
    where.sin_port = htons(port);
    const int listener = checked("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    // The socket interface of C takes every kind of address by this one type.
    auto* const any = reinterpret_cast<sockaddr*>(&where);
    checked("bind", bind(listener, any, sizeof(where)));
    checked("listen", listen(listener, 4'096));
    socklen_t size = sizeof(where);
    checked("getsockname", getsockname(listener, any, &size));
    std::printf("listening on http://%s:%u/\n", address, unsigned{ntohs(where.sin_port)});
    std::fflush(stdout);
    return listener;
}

}  // namespace

int main(int count, char** arguments) {
    std::signal(SIGPIPE, SIG_IGN);  // sendfile(2) to a client that left has no flag against it.
    if (count != 4 && count != 5) {
        std::fprintf(stderr, "usage: ferry-bench-floor ADDRESS PORT FILE [OCTETS]\n");
        return 2;
    }
    const auto part_bytes = count == 5 ? std::strtoul(arguments[4], nullptr, 10) : 0;
    floor_server(make_listener(arguments[1], arguments[2]), arguments[3], part_bytes).run();
}
