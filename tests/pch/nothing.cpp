// A library wants a source; its headers are what counts (meson.build here).
