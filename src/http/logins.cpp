#include "http/logins.hpp"

#include <fmt/format.h>

#include <utility>

#include "ferry/base/ascii.hpp"
#include "ferry/base/base64.hpp"
#include "ferry/base/log.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::http {

using runtime::task;

namespace {

constexpr std::string_view scheme = "Basic ";

vfs::quota quota_of(const auth::limits& bounds) noexcept {
    return {.octets_max = bounds.home_octets_max, .files_max = bounds.home_files_max};
}

}  // namespace

std::optional<credentials> credentials_of(const request& asked) {
    const auto value = asked.fields.only(field::authorization);
    if (!value || !ascii::equal_ignoring_case(value->substr(0, scheme.size()), scheme)) {
        return std::nullopt;
    }
    const auto pair = decode_base64(ascii::trim(value->substr(scheme.size())));
    if (!pair) {
        return std::nullopt;
    }
    const auto colon = pair->find(':');
    if (colon == std::string::npos) {
        return std::nullopt;
    }
    return credentials{.name = pair->substr(0, colon), .password = pair->substr(colon + 1)};
}

logins::logins(runtime::core& here, const account_services& with, const vfs::tree& files,
               runtime::stop_scope& draining, const numbers& most)
    : here_(here),
      with_(with),
      files_(files),
      draining_(draining),
      most_(most),
      key_{here.rng().next(), here.rng().next(), here.rng().next(), here.rng().next()},
      certified_key_{here.rng().next(), here.rng().next(), here.rng().next(), here.rng().next()},
      of_(with.users),
      hashing_(here, 1) {}

bool logins::may_anywhere(auth::rights some) const noexcept {
    for (std::size_t i = 0; i < auth::right_count; ++i) {
        const auto each = static_cast<auth::right>(i);
        if (some.has(each) && with_.users->may_anywhere(each)) {
            return true;
        }
    }
    return false;
}

task<logins::answer> logins::check(credentials given, const net::endpoint& from) {
    if (with_.users->is_anonymous_name(given.name)) {  // Who needs no password has none to guess.
        co_return answer{.what = outcome::known, .who = {}};
    }
    const auto print = auth::fingerprint_of(key_, given.name, given.password);
    if (!print) {
        co_return answer{};
    }
    if (auto who = find(*print)) {
        co_return answer{.what = outcome::known, .who = std::move(who)};
    }
    auto turn = co_await hashing_.take(here_.now() + most_.turn_wait_max);
    if (!turn) {
        co_return answer{};
    }
    if (auto who = find(*print)) {  // Whoever was before has said the same.
        co_return answer{.what = outcome::known, .who = std::move(who)};
    }
    const auto users = with_.users;
    const auto customer = net::customer_of(from);
    const auth::origin origin{.prefix = customer.prefix, .is_v6 = customer.is_v6};
    if (!with_.failures.is_heard(origin, here_.now())) {
        co_return answer{.what = outcome::turned_away, .who = {}};
    }
    const std::string name = given.name;
    auto checked = co_await auth::log_in(here_, users, given.name, std::move(given.password));
    if (!checked) {
        co_return answer{};
    }
    turn->give_back();  // What is put off holds nobody else up.
    auto& identity = *checked;
    const auto when = with_.failures.judge(origin, here_.now(), identity.has_value());
    if (!when) {
        co_return answer{.what = outcome::turned_away, .who = {}};
    }
    if (!identity && log::enabled(log::level::info)) {
        log::info(fmt::format("http {}: login of {:?} refused", net::format_address(from), name));
    }
    if (*when > here_.now()) {
        runtime::stop_scope heard(&co_await runtime::current_scope());
        heard.follow(draining_);
        const auto waited = co_await wait_until(*when).in_scope(heard);
        if (!waited) {
            co_return answer{};
        }
    }
    if (!identity) {
        co_return answer{.what = outcome::wrong, .who = {}};
    }
    auto made = co_await open_home(std::move(*identity));
    if (made.who && users == with_.users) {
        remember(*print, made.who);
    }
    co_return made;
}

task<logins::answer> logins::find_certified(std::string name) {
    const auto print = auth::fingerprint_of(certified_key_, name, {});
    if (!print) {
        co_return answer{};
    }
    if (auto who = find(*print)) {
        co_return answer{.what = outcome::known, .who = std::move(who)};
    }
    const auto users = with_.users;
    auto identity = users->identity_of(name);
    if (!identity) {
        co_return answer{.what = outcome::known, .who = {}};
    }
    auto made = co_await open_home(std::move(*identity));
    if (made.who && users == with_.users) {
        remember(*print, made.who);
    }
    co_return made;
}

task<result<void>> logins::wait_until(runtime::time_point when) {
    const auto slept = co_await runtime::sleep_until(here_, when);
    co_return slept;
}

/// What the account sees as its own.
task<logins::answer> logins::open_home(auth::identity who) {
    auto root = vfs::path::parse(who.root);
    if (!root) {
        co_return answer{.what = outcome::no_home, .who = {}};
    }
    auto home = co_await vfs::open_account_home(
        here_, {.files = files_, .homes = with_.homes, .counter = with_.counter}, *root,
        quota_of(who.bounds));
    if (!home) {
        log::warning(fmt::format("http: {:?} cannot log in: its directory {:?}: {}", who.name,
                                 root->text(), describe(home.error().code)));
        co_return answer{.what = outcome::no_home, .who = {}};
    }
    auto made = std::make_shared<login>();
    if (who.bounds.together != auth::rates{}) {
        made->usage = with_.usages.of(who.name);
    }
    made->who = std::move(who);
    made->root = std::move(*root);
    made->home = std::move(*home);
    co_return answer{.what = outcome::known, .who = std::move(made)};
}

/// Null: it has to be checked.
std::shared_ptr<const login> logins::find(const auth::fingerprint& of) {
    if (of_ != with_.users) {  // They were read anew.
        known_.clear();
        of_ = with_.users;
    }
    const auto at = known_.find(of);
    if (at == known_.end()) {
        return nullptr;
    }
    if (at->second.until <= here_.now()) {
        known_.erase(at);
        return nullptr;
    }
    return at->second.who;
}

void logins::remember(const auth::fingerprint& of, std::shared_ptr<const login> who) {
    const auto now = here_.now();
    if (most_.entries_max == 0) {
        return;
    }
    if (known_.size() >= most_.entries_max) {
        std::erase_if(known_, [now](const auto& each) { return each.second.until <= now; });
    }
    if (known_.size() >= most_.entries_max) {
        known_.erase(known_.begin());  // The keys are random: any is as good as another.
    }
    known_.insert_or_assign(of, entry{.who = std::move(who), .until = now + most_.kept_max});
}

}  // namespace ferry::http
