"""The functions of a Verilated model are found, or their absence is told."""

import pytest

from sim.verilated.parts import Parts, UnknownFormError, find_parts


def source(nba: str, ico: str | None = None) -> str:
    """C++ as Verilator writes it, of a model `Vcore`."""
    def function(phase: str, body: str) -> str:
        return (f"void Vcore___024root___eval_{phase}(Vcore___024root* vlSelf) {{\n"
                "    auto& vlSelfRef = std::ref(*vlSelf).get();\n"
                "    // Body\n"
                f"    if ((1ULL & vlSelfRef.__V{phase}Triggered[0U])) {{\n{body}    }}\n}}\n")

    return ("void Vcore___024root___eval_nba(Vcore___024root* vlSelf);\n"
            + ("" if ico is None else function("ico", ico)) + function("nba", nba))


def test_functions_are_listed_in_their_order():
    parts = find_parts(source("        second(vlSelf);\n        first(vlSelf);\n",
                              "        inputs(vlSelf);\n"), "Vcore")
    assert parts == Parts("Vcore___024root", ("inputs",), ("second", "first"))


def test_a_model_whose_inputs_feed_only_registers_settles_nothing():
    assert find_parts(source("        first(vlSelf);\n"), "Vcore").settle == ()


def test_flags_of_a_trace_are_set():
    parts = find_parts(source("        first(vlSelf);\n"
                              "        vlSelfRef.__Vm_traceActivity[1U] = 1U;\n"), "Vcore")
    assert parts.clock == (
        "first", "[](Vcore___024root *root) { root->__Vm_traceActivity[1U] = 1U; }")


def test_tables_declare_what_they_hold():
    header = Parts("Vcore___024root", (), ("first",)).header("Core")
    assert header.startswith("void first(Vcore___024root *);\n")
    assert "kCoreClock = {\n    first\n};\n" in header


def test_a_model_without_a_clock_fails_the_build():
    with pytest.raises(UnknownFormError, match="eval_nba has another form than expected: ''"):
        find_parts("", "Vcore")


@pytest.mark.parametrize("body", [
    "        vlSelfRef.core__DOT__a = 1U;\n",
    "        if (vlSelfRef.core__DOT__a) {\n            first(vlSelf);\n        }\n"])
def test_another_form_fails_the_build(body):
    with pytest.raises(UnknownFormError, match="eval_nba has another form than expected"):
        find_parts(source(body), "Vcore")
