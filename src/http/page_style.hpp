#pragma once

#include <string_view>

namespace ferry::http {

/// How ferry's own pages look, errors and listings: the system's letters, dark or light as the
/// reader's system is (Media Queries Level 5, prefers-color-scheme).
inline constexpr std::string_view page_style = R"(
:root { color-scheme: light dark; --back: #fff; --text: #1c2128; --dim: #59636e; --line: #d8dee4;
  --over: #f2f5f8; --link: #0a58ca; --folder: #c79316; --file: #9aa4af }
@media (prefers-color-scheme: dark) { :root { --back: #0f1419; --text: #e6edf3; --dim: #9aa4af;
  --line: #2b323a; --over: #1a2129; --link: #79b8ff; --folder: #dcae3d; --file: #77818c } }
* { box-sizing: border-box }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 64rem; margin: 0 auto; padding: 1.5rem 1rem;
  background: var(--back); color: var(--text) }
h1 { font-size: 1.25rem; font-weight: 600; margin: 0 0 .75rem; overflow-wrap: anywhere }
a { color: var(--link); text-decoration: none }
a:hover { text-decoration: underline }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px }
p { margin: 0; color: var(--dim) }
)";

}  // namespace ferry::http
