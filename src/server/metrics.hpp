#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/duration_histogram.hpp"
#include "server/reading.hpp"

namespace ferry::server {

/// One value of a metric.
struct metric_sample {
    std::string_view suffix = {};  ///< Behind the metric's name: "_bucket".
    std::string labels = {};       ///< `a="x",b="y"`, values escaped; empty: none.
    std::string value = {};        ///< A number as text.
};

/// A label with its value, escaped as the formats of Prometheus want it.
struct metric_label {
    std::string_view name;
    std::string_view value;
};

/// Where a metric puts its values.
class metric_samples {
  public:
    void add(std::span<const metric_label> labels, std::uint64_t value);
    void add(std::span<const metric_label> labels, double value);
    void add(std::uint64_t value) { add(std::span<const metric_label>(), value); }
    /// Its buckets, each with all that are smaller, its sum and its count.
    void add(const duration_histogram& all);

    [[nodiscard]] const std::vector<metric_sample>& all() const noexcept { return samples_; }

  private:
    std::vector<metric_sample> samples_;
};

enum class metric_type : std::uint8_t { counter, gauge, histogram };

/// One row: all there is to know about a metric. Its name is `stem`, with the unit behind it if it
/// has one, and "_total" behind that of a counter.
struct metric {
    std::string_view stem;
    std::string_view unit;  ///< A base unit, "seconds" or "bytes"; empty: a number of things.
    metric_type type;
    std::string_view help;  ///< One line, no full stop.
    void (*read)(const reading& from, metric_samples& into);
};

/// Every metric.
[[nodiscard]] std::span<const metric> metrics() noexcept;

[[nodiscard]] std::string name_of(const metric& row);

/// The two formats that Prometheus reads.
enum class metrics_format : std::uint8_t {
    text,         ///< Version 0.0.4.
    openmetrics,  ///< Version 1.0.0.
};

/// The one that `accept`, the value of that field, asks for: OpenMetrics where it is named.
[[nodiscard]] metrics_format format_for(std::string_view accept) noexcept;
[[nodiscard]] std::string_view content_type_of(metrics_format format) noexcept;

/// Writes all metrics.
[[nodiscard]] std::string write_metrics(const reading& from, metrics_format format);

/// Writes the same, and what the status page and `ferry top` show besides, as one JSON object
/// (RFC 8259):
///
///     {"version": "0.1", "io": "io_uring", "started": 1.5, "now": 2.5, "draining": false,
///      "metrics": {"ferry_cores": 2, "ferry_sent_bytes_total{protocol=\"http\"}": 3},
///      "cores": [{"fresh": true, "turns": 1, "requests": 1, "commands": 0, "received": 1,
///                 "sent": 1, "transfers": 0}],
///      "transfers": [{"protocol": "ftp", "peer": "::1", "user": "anna", "name": "/a",
///                     "upload": false, "whole": 0, "moved": 1, "connection": 1, "seconds": 0.5}]}
///
/// What is no UTF-8 in a name is written as `append_json_text` does.
[[nodiscard]] std::string write_status(const reading& from);

}  // namespace ferry::server
