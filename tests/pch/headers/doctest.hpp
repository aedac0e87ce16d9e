// What most files of tests include. Precompiled like standard.hpp.
#pragma once

#include <doctest/doctest.h>
#include <filesystem>

#include "standard.hpp"
