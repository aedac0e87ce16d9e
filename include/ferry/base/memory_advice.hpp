#pragma once

namespace ferry {

/// What the allocator of the process can be told. Functions that are null: nothing. Those that are
/// not may be called from any thread.
struct memory_advice {
    /// From now on pages of small blocks go back to the system as soon as all of a page is free,
    /// not when it is convenient: many are freed, and then comes nothing that would be an occasion.
    /// Each call is followed by one of `much_was_freed`. Cost meanwhile: a system call for some 64
    /// KiB, and a fault for each page of it that is wanted again.
    void (*much_is_freed)() noexcept = nullptr;
    /// As before, unless others still expect much. Gives back what the calling thread keeps for the
    /// next who allocate. Cost: a walk over all its pages, 0.3 ms behind 10,000 connections.
    void (*much_was_freed)() noexcept = nullptr;
};

}  // namespace ferry
