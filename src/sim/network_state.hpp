#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "sim/network.hpp"
#include "sim/port_table.hpp"
#include "sim/slot_table.hpp"
#include "sim/socket.hpp"

namespace ferry::sim {

/// Everything a network knows. Its functions are in the file of their concept: `network.cpp` has
/// what all sockets share, `handshake.cpp` how connections come about, `transport.cpp` how octets
/// travel and connections end, `local_stream.cpp` socketpairs and pipes, `socket_options.cpp`.
struct network::state {
    state(agenda& on, random& chance) noexcept : events(on), rng(chance) {}
    state(const state&) = delete;
    state& operator=(const state&) = delete;
    ~state();

    struct watcher {
        socket* on = nullptr;
        std::function<void()> changed;
        bool is_noted = false;
    };

    // network.cpp
    socket_ptr make(socket::sort what, int family);
    void notify(socket& which);
    void call_watcher(watch_token token);
    void end_of(socket& which) noexcept;
    [[nodiscard]] runtime::duration draw_latency() noexcept;
    [[nodiscard]] std::size_t draw_segment_bytes() noexcept;

    // handshake.cpp
    int bind(socket& which, const sockaddr* address, socklen_t address_bytes);
    int listen(socket& which, int backlog);
    void stop_listening(socket& which, bool tell_clients);
    int connect(socket& which, const sockaddr* address, socklen_t address_bytes);
    int begin_connect(socket& which, const sockaddr* address, socklen_t address_bytes);
    /// tcp_disconnect: what it was connected to learns of it, and it may be connected anew.
    void disconnect(socket& which);
    void abandon_handshake(connection& link);
    void try_again_later(connection& link);
    void try_again(std::uint64_t key);
    void on_syn(connection& link);
    void on_syn_ack(connection& link);
    void on_ack(connection& link);
    void on_refusal(connection& link);
    void make_child(connection& link, socket& listener);
    [[nodiscard]] socket* waiting_listener(const connection& link) noexcept;
    void give_place_back(connection& link) noexcept;
    [[nodiscard]] bool is_dark(const inet_address& address) const noexcept;
    void light(const inet_address& address);

    // transport.cpp
    std::int64_t receive(socket& which, std::span<std::byte> into, int flags);
    std::int64_t receive_urgent(socket& which, std::span<std::byte> into, int flags);
    std::int64_t send(socket& which, std::span<const std::byte> octets, int flags);
    int shutdown(socket& which, int how);
    void close(socket& which);
    void vanish(socket& which);
    void pump(connection& link, side from);
    void ship(connection& link, side from, packet what);
    void arrive(std::uint64_t key, side from);
    void on_data(connection& link, side from, std::size_t size_bytes);
    void on_fin(connection& link, side from);
    void deliver(connection& link, side from, std::size_t size_bytes);
    void note_urgent(connection& link, side from, std::uint64_t arrived);
    /// Strikes a doom of `from`'s flow that is due. False: there is none.
    bool strike_doom(connection& link, side from);
    void strike(connection& link, side from, doom how);
    void finish_sending(socket& which);
    /// Sends a reset behind what is on its way and has nothing more to do with the connection.
    void abort(socket& which);
    void answer_with_reset(connection& link, side to);
    /// A reset has come: the error it means, and the end.
    void on_reset(socket& which);
    void fail(socket& which, int error);
    void end_if_both_finished(socket& which);
    /// TCP's CLOSED: what was not sent never will be, what was received may still be read.
    void end(socket& which);
    void drop_undelivered(flow& of) noexcept;
    void silence(connection& link);
    void give_up_later(socket& which);
    void give_up(std::uint64_t key, side of);
    /// The socket has no part in its connection any more.
    void leave(socket& which);
    void forget_if_closed(connection& link);

    // local_stream.cpp
    std::pair<socket_ptr, socket_ptr> make_local(socket::sort first, socket::sort second);
    std::int64_t receive_local(socket& which, std::span<std::byte> into, int flags);
    std::int64_t send_local(socket& which, std::span<const std::byte> octets, int flags);
    int shutdown_local(socket& which, int how);
    void close_local(socket& which);

    // socket_options.cpp
    int set_option(socket& which, int level, int name, const void* value, socklen_t size);
    int get_option(socket& which, int level, int name, void* value, socklen_t* size);

    agenda& events;
    random& rng;
    network_weather weather;
    port_table ports;
    slot_table<socket*> sockets;
    slot_table<std::unique_ptr<connection>> connections;
    slot_table<watcher> watchers;
    std::vector<inet_address> dark;  ///< Where a machine without power listened.
    std::function<void(const socket_ptr&)> tell_connected;
    std::uint64_t next_id = 1;
    std::size_t sockets_open = 0;
};

}  // namespace ferry::sim
