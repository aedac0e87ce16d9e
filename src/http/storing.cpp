#include "http/storing.hpp"

#include <cstddef>
#include <memory>
#include <utility>

#include "ferry/base/units.hpp"

namespace ferry::http {

using runtime::task;

namespace {

constexpr std::size_t read_bytes_max = 256_KiB;

}  // namespace

task<received> receive(runtime::core& here, receiving what) {
    for (;;) {  // Bounded by the client and the disk: each turn stores what it brought.
        const auto piece = co_await what.content.next();
        if (!piece) {
            co_return received{.failed = piece.error(), .is_content = true};
        }
        if (piece->empty()) {
            co_return received{};
        }
        if (piece->size() > what.bytes_max - what.into.size_bytes()) {
            co_return received{.is_too_long = true};
        }
        co_await what.check.add(here, *piece);
        if (what.also != nullptr) {
            co_await what.also->add(here, *piece);
        }
        const auto written = co_await what.into.write(here, *piece);
        if (!written) {
            co_return received{.failed = written.error()};
        }
    }
}

task<result<void>> read_back(runtime::core& here, const vfs::upload& from, content_check& check) {
    const auto memory = std::make_unique_for_overwrite<std::byte[]>(read_bytes_max);
    for (std::uint64_t done = 0;;) {
        const auto got = co_await from.read(here, {memory.get(), read_bytes_max}, done);
        if (!got) {
            co_return failure(got.error());
        }
        if (*got == 0) {
            co_return result<void>{};
        }
        co_await check.add(here, {memory.get(), *got});
        done += *got;
        co_await here.yield();
    }
}

response_plan plan_broken_content(const planning& plan, const content_reader& content,
                                  const error& why) {
    if (why == errc::invalid) {
        const auto refusal = content.refusal();
        return plan.error(refusal.what, refusal.reason);
    }
    if (why == errc::closed || why == errc::reset) {
        return plan.error(status::bad_request, "The content ended early.");
    }
    if (why == errc::timed_out) {
        return plan.error(status::request_timeout, "The content came too slowly.");
    }
    return plan.error(status_for(why.code));
}

task<bool> leave(const planning& plan, vfs::upload& cut) {
    ++plan.shared.counted.uploads_incomplete;
    const auto kept = co_await cut.keep(plan.shared.here, plan.shared.settings.durability);
    if (!kept) {
        co_await cut.discard(plan.shared.here);
    }
    co_return kept.has_value();
}

std::expected<said_digests, response_plan> digests_of(const planning& plan) {
    said_digests said;
    for (const auto from : {field::content_digest, field::repr_digest}) {
        auto read = read_digests(plan.asked.fields, from);
        if (!read) {
            return std::unexpected(plan.problem(status::bad_request, invalid_digest_problem(from)));
        }
        (from == field::content_digest ? said.content : said.representation) = std::move(*read);
    }
    return said;
}

task<response_plan> commit(const planning& now, vfs::upload& whole, committing what) {
    auto& here = now.shared.here;
    const auto committed = co_await whole.commit(here, now.shared.settings.durability);
    ++(committed ? now.shared.counted.uploads_stored : now.shared.counted.uploads_incomplete);
    if (!committed) {
        co_await whole.discard(here);
        const bool is_late =
            is_of_another_change(committed.error()) || committed.error() == errc::exists;
        co_return is_late
            ? now.error(what.is_conditional ? status::precondition_failed : status::conflict,
                        changed_meanwhile)
            : plan_failed(now, committed.error());
    }
    std::optional<validators> made;
    if (const auto status = whole.status(); status) {
        made = settled_validators(*status, now.now);
    }
    co_return plan_done(now, what.seen.status ? status::no_content : status::created,
                        {.made = made, .repr_digest = what.repr_digest});
}

}  // namespace ferry::http
