#include "ferry/ftp/session_list.hpp"

namespace ferry::ftp {

session_list::entry session_list::add(who session) {
    const auto number = sessions_.use([&session](sessions& all) {
        all.by_number.emplace(all.last + 1,
                              std::move(session));  // May throw: then it is not there.
        return ++all.last;
    });
    return {*this, number};
}

session_list::some session_list::look(std::size_t most) {
    return sessions_.use([most](const sessions& all) {
        some made{.first = {}, .all = all.by_number.size()};
        for (const auto& [number, each] : all.by_number) {
            if (made.first.size() == most) {
                break;
            }
            made.first.push_back(each);
        }
        return made;
    });
}

void session_list::remove(std::uint64_t number) noexcept {
    sessions_.use([number](sessions& all) noexcept { all.by_number.erase(number); });
}

}  // namespace ferry::ftp
