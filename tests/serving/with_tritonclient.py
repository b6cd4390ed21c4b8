"""NVIDIA's tritonclient against `tickdeck serve`: health, metadata, and forecasts in JSON and in binary tensors."""

import sys

import numpy
import tritonclient.http as http

client = http.InferenceServerClient(sys.argv[1])
name = "logistic-v1"
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(name)
assert client.get_server_metadata()["name"] == "tickdeck"
model = client.get_model_metadata(name)
version = model["versions"][0]
_, features = model["inputs"][0]["shape"]
rows = numpy.linspace(-1, 1, 5 * features, dtype=numpy.float32).reshape(5, features)


def ask(binary_in, binary_out, **more):
    given = http.InferInput("features", rows.shape, "FP32")
    given.set_data_from_numpy(rows, binary_data=binary_in)
    wanted = [http.InferRequestedOutput(n, binary_data=binary_out) for n in ("probabilities", "move_bps")]
    answer = client.infer(name, [given], outputs=wanted, **more)
    return answer.as_numpy("probabilities"), answer.as_numpy("move_bps")


first = ask(True, True)
assert first[0].shape == (5, 4, 3) and first[1].shape == (5, 4)
assert numpy.allclose(first[0].sum(axis=2), 1, atol=1e-6)
for other in (ask(False, True), ask(True, False), ask(False, False, model_version=version, request_id="7")):
    assert all((a == b).all() for a, b in zip(first, other))
given = http.InferInput("features", rows.shape, "FP32")
given.set_data_from_numpy(rows)
assert (client.infer(name, [given]).as_numpy("probabilities") == first[0]).all()
try:
    client.infer("nobody", [given])
    raise SystemExit("an unknown model was answered")
except http.InferenceServerException as error:
    assert "no such model" in str(error), error
