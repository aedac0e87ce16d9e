#include "ferry/runtime/nursery.hpp"

#include <string>

#include "ferry/base/log.hpp"

namespace ferry::runtime {

void nursery::report_exception(const std::exception_ptr& caught) noexcept {
    try {
        std::rethrow_exception(caught);
    } catch (const std::exception& what) {
        log::error(what.what());
    } catch (...) {
        log::error("an exception of unknown type ended a task");
    }
}

}  // namespace ferry::runtime
