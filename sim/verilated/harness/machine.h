// The Verilated shell and cores: their state, and the functions in which they evaluate themselves.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "Vcore___024root.h"
#include "Vshell___024root.h"

#include "axi.h"
#include "causes.h"
#include "instances.h"
#include "toggles.h"

#include "glue.h"  // generated: kCores, kPorts, kBeatBytes, tables of ports, flip-flops, functions

namespace partita {

// The models' state, to which each refers by a pointer for each of its ports.
struct Machine {
    ShellState *shell = nullptr;
    std::array<CoreState *, kCores> cores{};
};

// Call functions of a Verilated model, each for some objects before the next.
template <class Root>
void evaluate(const std::vector<void (*)(Root *)> &functions, Root *const *first,
              Root *const *last) {
    for (auto function : functions)
        for (auto root = first; root != last; root++) function(*root);
}
template <class Root>
void evaluate(const std::vector<void (*)(Root *)> &functions, Root *root) {
    evaluate(functions, &root, &root + 1);
}

// The clock edge of some cores, whose inputs are settled first.
inline void rise(CoreState *const *first, CoreState *const *last) {
    evaluate(kCoreSettle, first, last);
    evaluate(kCoreClock, first, last);
}

}  // namespace partita
