#include "http/listing_writer.hpp"

#include <algorithm>
#include <utility>

#include "http/index_json.hpp"
#include "http/listing_order.hpp"

namespace ferry::http {

using runtime::task;

namespace {

class listing_body final : public body_source {
  public:
    listing_body(listing_writer writer, vfs::listing entries)
        : writer_(std::move(writer)), entries_(std::move(entries)) {}

    task<result<void>> next(runtime::core& here, body_piece& piece) override {
        const auto entries = co_await entries_.next(here);
        if (!entries) {
            co_return failure(entries.error());
        }
        if (!std::exchange(has_begun_, true)) {
            writer_.begin(piece.octets);
        }
        for (const auto& each : *entries) {
            if (is_shown(each)) {
                writer_.row(piece.octets, each);
            }
        }
        if (entries->empty()) {
            writer_.end(piece.octets);
            piece.is_last = true;
        }
        co_return result<void>{};
    }

  private:
    listing_writer writer_;
    vfs::listing entries_;
    bool has_begun_ = false;
};

}  // namespace

void listing_writer::begin(std::string& out) const {
    if (form_ == listing_form::json) {
        append_json_begin(out);
    } else {
        append_index_begin(out, where_, view_);
    }
}

void listing_writer::row(std::string& out, const vfs::directory_entry& entry,
                         listing_digest* told) {
    const auto own = form_ == listing_form::json ? std::nullopt : own_rights(entry);
    if (form_ == listing_form::json) {
        append_json_row(out, entry, time_, written_.directories + written_.files == 0);
    } else {
        append_index_row(out, entry, time_, own);
    }
    if (told != nullptr) {
        told->add(entry, own);
    }
    written_.add(entry);
}

/// Nothing: those of the page.
std::optional<auth::rights> listing_writer::own_rights(const vfs::directory_entry& entry) const {
    if (!rows_) {
        return std::nullopt;
    }
    auto own = rows_->who.rights_at(rows_->directory, entry.name) - rows_->refused;
    if (std::ranges::find(rows_->points, entry.name) != rows_->points.end()) {
        own = own - auth::rights{auth::right::remove, auth::right::rename};
    }
    return own == view_.allowed ? std::nullopt : std::optional(own);
}

void listing_writer::end(std::string& out) const {
    if (form_ == listing_form::json) {
        append_json_end(out);
        return;
    }
    auto view = view_;
    view.totals = written_;
    append_index_end(out, view);
}

std::unique_ptr<body_source> make_listing_body(listing_writer writer, vfs::listing entries) {
    return std::make_unique<listing_body>(std::move(writer), std::move(entries));
}

}  // namespace ferry::http
