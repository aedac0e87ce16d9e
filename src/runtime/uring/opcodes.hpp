#pragma once

#include <array>

#include "runtime/uring/compat.hpp"

namespace ferry::runtime {

struct ring_opcode {
    int code;
    const char* name;
};

/// Everything `uring_reactor::prepare` emits: the kernel must have these (`grant_urings`), and a
/// ring takes no others (`ring::enable`).
inline constexpr auto ring_opcodes = std::to_array<ring_opcode>({
    {IORING_OP_NOP, "NOP"},
    {IORING_OP_ACCEPT, "ACCEPT"},
    {IORING_OP_CONNECT, "CONNECT"},
    {IORING_OP_RECV, "RECV"},
    {IORING_OP_SEND, "SEND"},
    {IORING_OP_READ, "READ"},
    {IORING_OP_WRITE, "WRITE"},
    {IORING_OP_FALLOCATE, "FALLOCATE"},
    {IORING_OP_FSYNC, "FSYNC"},
    {IORING_OP_OPENAT2, "OPENAT2"},
    {IORING_OP_RENAMEAT, "RENAMEAT"},
    {IORING_OP_LINKAT, "LINKAT"},
    {IORING_OP_SYMLINKAT, "SYMLINKAT"},
    {IORING_OP_UNLINKAT, "UNLINKAT"},
    {IORING_OP_MKDIRAT, "MKDIRAT"},
    {IORING_OP_POLL_ADD, "POLL_ADD"},
    {IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL"},
});

}  // namespace ferry::runtime
