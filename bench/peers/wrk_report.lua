-- One line of exact numbers behind wrk's own report, for tools/bench. No other hook: those would
-- cost the client time for every request.
done = function(summary, latency, requests)
    local e = summary.errors
    print(string.format("REPORT %d %d %d %d %d %d", summary.requests, summary.bytes,
                        summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
                        latency:percentile(50), latency:percentile(99)))
end
