#include "ferry/http/upload_turns.hpp"

#include <atomic>

#include "ferry/base/assert.hpp"
#include "ferry/runtime/reactor.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::http {

using runtime::task;

/// One request at a resource, or waiting for it. The others touch it under the lock only, while it
/// is in its line: what they have posted by then is taken back before it dies.
struct upload_turns::waiting {
    waiting(runtime::core& core, std::string wanted, runtime::stop_scope* above)
        : here(core),
          name(std::move(wanted)),
          scope(above),
          comes(core.io()),
          end(*this, [](runtime::posted& self) noexcept { message::of(self).ask_to_end(); }),
          begin(*this, [](runtime::posted& self) noexcept { message::of(self).comes.announce(); }) {
    }
    waiting(const waiting&) = delete;
    waiting& operator=(const waiting&) = delete;

    struct message : runtime::posted {
        message(waiting& to, function on_delivery) noexcept : posted(on_delivery), owner(to) {}
        static waiting& of(runtime::posted& self) noexcept {
            auto& me = static_cast<message&>(self);
            me.is_under_way = false;
            return me.owner;
        }
        /// Under the lock, at most once.
        void post_once() noexcept {
            if (!std::exchange(is_posted, true)) {
                is_under_way = true;
                owner.here.io().post(*this);
            }
        }
        /// On the owner's core, out of the line.
        void withdraw() noexcept {
            if (is_under_way) {
                owner.here.io().withdraw(*this);
            }
        }
        waiting& owner;
        bool is_posted = false;
        std::atomic<bool> is_under_way{false};
    };

    void ask_to_end() noexcept {
        is_over = true;
        scope.request_stop();
    }

    runtime::core& here;
    std::string name;
    runtime::stop_scope scope;
    runtime::event comes;  ///< Its turn.
    message end;
    message begin;
    bool is_over = false;
};

upload_turns::turn::turn(upload_turns& of, std::unique_ptr<waiting> mine) noexcept
    : of_(&of), mine_(std::move(mine)) {}

upload_turns::turn::turn(turn&&) noexcept = default;

upload_turns::turn::~turn() {
    if (mine_) {
        of_->leave(*mine_);
    }
}

runtime::stop_scope& upload_turns::turn::scope() noexcept {
    return mine_->scope;
}

bool upload_turns::turn::is_over() const noexcept {
    return mine_->is_over;
}

void upload_turns::urge(std::list<waiting*>& line) noexcept {
    if (line.size() > 1) {
        line.front()->end.post_once();
    }
}

task<result<upload_turns::turn>> upload_turns::take(runtime::core& here, std::string name,
                                                    runtime::time_point deadline) {
    auto& above = co_await runtime::current_scope();
    auto mine = std::make_unique<waiting>(here, std::move(name), &above);
    const bool is_first = all_.use([&mine](contents& all) {
        auto& line = all.lines[mine->name];
        line.push_back(mine.get());
        urge(line);
        return line.size() == 1;
    });
    turn taken(*this, std::move(mine));  // Out of the line again, whatever happens.
    if (!is_first) {
        const auto come = co_await taken.mine_->comes.wait(deadline);
        if (!come) {
            co_return failure(come.error());
        }
    }
    co_return taken;
}

void upload_turns::leave(waiting& mine) noexcept {
    all_.use([&mine](contents& all) {
        const auto found = all.lines.find(mine.name);
        FERRY_ASSERT(found != all.lines.end());
        auto& line = found->second;
        const bool was_first = line.front() == &mine;
        line.remove(&mine);
        if (line.empty()) {
            all.lines.erase(found);
        } else if (was_first) {
            line.front()->begin.post_once();
            urge(line);
        }
    });
    mine.begin.withdraw();
    mine.end.withdraw();
}

std::optional<upload_turns::note> upload_turns::find(std::string_view name,
                                                     runtime::time_point now) {
    return all_.use([name, now](contents& all) -> std::optional<note> {
        const auto found = all.notes.find(name);
        if (found == all.notes.end() || found->second.until <= now) {
            return std::nullopt;
        }
        return found->second;
    });
}

void upload_turns::keep(std::string_view name, note what, runtime::time_point now) {
    what.until = now + most_.memory;
    all_.use([this, name, &what](contents& all) {
        while (all.by_age.size() >= most_.notes_max) {
            all.notes.erase(all.by_age.front());
            all.by_age.pop_front();
        }
        const auto [place, is_new] = all.notes.insert_or_assign(std::string(name), what);
        if (is_new) {
            all.by_age.push_back(place->first);
        }
    });
}

void upload_turns::forget(std::string_view name) {
    all_.use([name](contents& all) {
        const auto found = all.notes.find(name);
        if (found != all.notes.end()) {
            all.notes.erase(found);
        }
    });
}

std::pair<std::size_t, std::size_t> upload_turns::size() {
    return all_.use(
        [](const contents& all) { return std::pair(all.lines.size(), all.notes.size()); });
}

}  // namespace ferry::http
