"""A real Triton with the model `letters`, for an interpreter that has `nvidia-pytriton`.

    python triton_model.py HTTP_PORT GRPC_PORT METRICS_PORT TRACES_URL

It embeds by counting, as tests/support/inference_server.py does, and exports its own spans. Its Python backend is a
child that it does not end, so the caller ends the whole process group.
"""

from __future__ import annotations

import sys

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


@batch
def embed(TEXT: np.ndarray) -> dict[str, np.ndarray]:  # noqa: N803  named as the tensor
    """Return a vector for each text."""
    texts = [row[0].decode() for row in TEXT]
    return {"VECTOR": np.array([[len(text), text.count("e"), 1.0] for text in texts], np.float32)}


def main() -> None:
    """Serve."""
    http, grpc, metrics = map(int, sys.argv[1:4])
    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=http,
        grpc_address="127.0.0.1",
        grpc_port=grpc,
        metrics_address="127.0.0.1",
        metrics_port=metrics,
        trace_config=["mode=opentelemetry", "rate=1", "level=TIMESTAMPS", f"opentelemetry,url={sys.argv[4]}"],
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="letters",
            infer_func=embed,
            inputs=[Tensor(name="TEXT", dtype=bytes, shape=(1,))],
            outputs=[Tensor(name="VECTOR", dtype=np.float32, shape=(3,))],
            config=ModelConfig(max_batch_size=2),
        )
        triton.serve()


if __name__ == "__main__":
    main()
