#include "ferry/net/stream.hpp"

namespace ferry::net {

runtime::task<result<void>> stream::send_record(std::uint8_t kind,
                                                std::span<const std::byte> octets,
                                                runtime::duration stall_timeout) {
    static_cast<void>(kind);
    static_cast<void>(octets);
    static_cast<void>(stall_timeout);
    co_return failure(errc::invalid);  // Nothing is sealed below this one.
}

}  // namespace ferry::net
