// Code that can run: the mapping and the entry into it.
#pragma once

#include <cstdint>
#include <memory>

#include "loopnest/code.hpp"
#include "runtime/frame.hpp"

namespace loopnest::python {

struct LoadedCode {
  std::shared_ptr<const void> memory;  // unmapped with the last reference
  runtime::KernelEntry kernel;
  std::size_t size_bytes = 0;

  std::uintptr_t address() const { return reinterpret_cast<std::uintptr_t>(kernel.entry); }
};

LoadedCode load(const Code& code);

}  // namespace loopnest::python
