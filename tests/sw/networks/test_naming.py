"""What names a network, and what does not, with what would."""

import pytest

from sw.networks.naming import Kind, UnknownNetwork, origin_of


@pytest.mark.parametrize(("text", "kind", "name"), [
    ("digits", Kind.OURS, "digits"), ("a/b/net.onnx", Kind.ONNX, "net"),
    ("net.PT2", Kind.EXPORTED, "net"), ("a b/net.py:make", Kind.CALLABLE, "make"),
    ("package.module:Nets.small", Kind.CALLABLE, "small"), ("digits.onnx", Kind.ONNX, "digits"),
    ("./digits:make.onnx", Kind.ONNX, "digits:make")])
def test_a_text_names_a_network(text, kind, name):
    origin = origin_of(text)
    assert (origin.kind, origin.name, origin.ours) == (kind, name, kind is Kind.OURS)


@pytest.mark.parametrize(("text", "message"), [
    ("digit", r"must be one of tinyvgg16, .*; did you mean 'digits'\?"),
    ("net.pt", "a pickle, which runs code when it is read; give the module"),
    ("net.safetensors", "weights alone; give the module that it was made of"),
    ("net.py", "name a callable of it, FILE.py:callable"),
    ("net.tflite", "of another framework; export it to ONNX"),
    ("net.py:1x", "must be one of"), (":make", "must be one of"), ("", "must be one of")])
def test_a_text_that_names_none_is_refused_with_what_does(text, message):
    with pytest.raises(UnknownNetwork, match=message):
        origin_of(text)


def test_files_that_hold_weights_take_no_others(tmp_path):
    with pytest.raises(ValueError, match=r"^--weights goes with a torch module; 'net\.onnx' is "
                       r"an ONNX file, which holds its own: leave --weights out"):
        origin_of("net.onnx", weights=tmp_path / "w.safetensors")
