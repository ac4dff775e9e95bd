// Emission: machine IR with its register assignment to bytes. Adds the prologue and epilogue,
// reloads and stores of spilled registers, and small choices that need physical registers.
#pragma once

#include <string>
#include <vector>

#include "passes/register_allocation.hpp"
#include "x86/assembler.hpp"
#include "x86/constant_pool.hpp"
#include "x86/machine_ir.hpp"

namespace loopnest::x86 {

// Labels of all functions of the module, by index; they are bound by emit_function.
using FunctionLabels = std::vector<std::uint32_t>;

// Offsets at which the notes of the function begin: (offset, note index).
using NoteOffsets = std::vector<std::pair<std::size_t, std::uint32_t>>;

NoteOffsets emit_function(const MachineFunction& function, const passes::Allocation& allocation,
                          std::uint32_t label, const FunctionLabels& functions, ConstantPool& pool,
                          Assembler& assembler);

}  // namespace loopnest::x86
