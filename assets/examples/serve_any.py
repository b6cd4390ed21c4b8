"""Serve a model of your own to tickdeck (or to anybody) over the Open Inference Protocol, version 2.

    pip install fastapi uvicorn numpy joblib scikit-learn        # or lightgbm, or torch
    python serve_any.py model.joblib --name mine --port 8000
    tickdeck model connect mine --url http://127.0.0.1:8000 --horizons 10 --class-move 1.0

The model sees the rows of features that `tickdeck serve` names, or windows of them, and says how likely each class is.
A joblib file can run any code when it is loaded: serve only what you made yourself.
"""

import argparse
import pathlib

import numpy
import uvicorn
from fastapi import FastAPI, HTTPException, Request

options = argparse.ArgumentParser()
options.add_argument("file", type=pathlib.Path, help=".joblib or .pkl (predict_proba), .txt (LightGBM), .pt (TorchScript)")
options.add_argument("--name", default="mine")
options.add_argument("--port", type=int, default=8000)
options.add_argument("--classes", type=int, nargs=3, default=[1, 0, -1], help="labels of up, flat, down in a joblib model")
options = options.parse_args()


def load(path):
    """A function from rows to the probabilities of up, flat, down, one horizon after the other."""
    if path.suffix == ".txt":
        import lightgbm
        return lightgbm.Booster(model_file=str(path)).predict
    if path.suffix == ".pt":
        import torch
        net = torch.jit.load(str(path)).eval()
        return lambda rows: net(torch.from_numpy(rows)).detach().numpy()
    import joblib
    model = joblib.load(path)
    order = [list(model.classes_).index(label) for label in options.classes]
    return lambda rows: model.predict_proba(rows)[:, order]


ask, app, path = load(options.file), FastAPI(), f"/v2/models/{options.name}"


@app.get("/v2/health/{what}")
@app.get(f"{path}/ready")
def ready():
    return {"ready": True}


@app.get(path)
def metadata():
    return {"name": options.name, "versions": ["1"], "platform": "python", "inputs": [], "outputs": []}


@app.post(f"{path}/infer")
async def infer(request: Request):
    question = await request.json()
    [given] = question["inputs"]
    told = numpy.asarray(ask(numpy.asarray(given["data"], dtype=numpy.float32).reshape(given["shape"])))
    if not numpy.isfinite(told).all():
        raise HTTPException(500, "the model gave numbers that are not finite")
    output = {"name": "probabilities", "datatype": "FP64", "shape": list(told.shape), "data": told.ravel().tolist()}
    return {"model_name": options.name, "model_version": "1", "id": question.get("id"), "outputs": [output]}


uvicorn.run(app, host="127.0.0.1", port=options.port)
