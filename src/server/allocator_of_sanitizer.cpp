#include "server/allocator.hpp"

namespace ferry::server {

memory_advice advice_to_allocator() noexcept {
    return {};
}

}  // namespace ferry::server
