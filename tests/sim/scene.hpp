#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "client_context.hpp"
#include "ferry/auth/accounts.hpp"
#include "ferry/runtime/nursery.hpp"
#include "model_tree.hpp"
#include "report.hpp"
#include "seed_tree.hpp"
#include "sim/host.hpp"
#include "simulation.hpp"

namespace ferry::sim::test {

struct scene_settings {
    promised durability = promised::old_or_new;
    excuses excused{};
    bool keeps_parts = false;      ///< The server: of uploads that were cut off.
    bool resumes_uploads = false;  ///< Clients of HTTP do.
    bool copies_files = false;     ///< Clients of FTP do, on the server, and ask for digests.
    bool says_all = false;         ///< Clients of FTP use all of it, and one may administer.
    packing_settings packing{};
    sites_settings sites{};
    network_insight network{};
    server_numbers numbers{};
    std::size_t crowd = 0;  ///< Files of one large directory; 0: there is none.
    net::endpoint http{};
    net::endpoint ftp{};
    tls_doors tls{};
};

/// Who plays in a run besides the server: clients that come and go, a program that changes files
/// under its eyes, and the model that says what each of them may see.
class scene {
  public:
    /// Plants the model's tree on the server's disk, durably.
    scene(world& in, host& server, runtime::core& clients, scene_settings settings,
          report& findings);
    scene(const scene&) = delete;
    scene& operator=(const scene&) = delete;

    /// Lets the cast of a run begin; whoever is through begins anew, but of the short casts.
    void enter(runtime::core_tasks& tasks, cast who);
    /// Nobody begins anew, and whoever is at it leaves.
    void ask_to_leave();
    /// One client of each protocol comes to see whether the server is well: strict, one request
    /// each. Where `excuses::crowding` they come again until there is a place; where their login
    /// may be put off, until it is heard.
    void enter_fresh(runtime::core_tasks& tasks, bool may_be_put_off);
    [[nodiscard]] bool are_fresh_served() const noexcept {
        return !is_http_fresh_ && !is_ftp_fresh_;
    }
    [[nodiscard]] const char* who_is_not_served() const noexcept {
        return is_http_fresh_ ? "http" : is_ftp_fresh_ ? "ftp" : "nobody";
    }
    /// Names in the largest directory, if it is large.
    [[nodiscard]] std::size_t crowd() const noexcept { return settings_.crowd; }
    /// Nobody is there any more.
    [[nodiscard]] bool is_empty() const noexcept { return present_ == 0; }

    /// Another program truncates, replaces, grows or removes a file that clients share.
    void change_a_file();
    /// The server's machine has lost power and its disk is what it is now.
    void server_crashed();
    /// What must be on the disk when all is over. Hidden names of uploads may be left only where a
    /// fault kept one from being removed (`disk::spared`).
    void check_disk();
    /// The same once the server has started again and ended in calm: none may be left.
    void check_recovered_disk();
    [[nodiscard]] bool has_hidden_names() const;

  private:
    enum class protocol : std::uint8_t { http, ftp };
    enum class stay : std::uint8_t {
        brief,    ///< One short conversation, and that is all.
        usual,    ///< Some conversations, then anew.
        lasting,  ///< The same connection for as long as the server keeps it.
    };

    static runtime::task<> play(runtime::nursery&, scene& on, protocol speaks, std::size_t number,
                                stay how);
    static runtime::task<> visit(runtime::nursery&, scene& on, protocol speaks);
    [[nodiscard]] client_context context(std::string name, std::size_t number);
    [[nodiscard]] model_tree::disk_view look();
    void plant();

    world& world_;
    host& server_;
    runtime::core& here_;
    scene_settings settings_;
    report& findings_;
    model_tree model_;
    runtime::stop_scope old_ones_;
    std::vector<std::string> names_seen_;
    std::size_t present_ = 0;
    bool is_http_fresh_ = false;
    bool is_ftp_fresh_ = false;
    bool is_leaving_ = false;
    bool may_be_put_off_ = false;  ///< Logins of fresh clients: others have guessed wrong.
};

}  // namespace ferry::sim::test
