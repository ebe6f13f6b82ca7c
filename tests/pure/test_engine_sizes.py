"""What the engine's log says of its buffers."""

from __future__ import annotations

from fabula.core.plan import HOST, DevicePlan, Plan, off
from fabula.engine.llamacpp.planned import told
from fabula.engine.llamacpp.sizes import MIB, breakdown, sizes

ON_PROCESSOR = [
    "0.00.211.252 I load_tensors:   CPU_Mapped model buffer size =   762.81 MiB",
    "0.00.211.311 I load_tensors:   CPU_REPACK model buffer size =   445.50 MiB",
    "0.01.014.779 I llama_context:        CPU  output buffer size =     0.49 MiB",
    "0.01.014.907 I llama_kv_cache:        CPU KV buffer size =   128.00 MiB",
    "0.01.126.976 I llama_kv_cache: size =  128.00 MiB (  4096 cells,  16 layers), K (f16):   64.00 MiB",
    "0.01.133.174 I sched_reserve:        CPU compute buffer size =    72.02 MiB",
]
ON_CARDS = [
    "load_tensors:    CUDA0 model buffer size =  2000.00 MiB",
    "load_tensors:    CUDA1 model buffer size =  2400.00 MiB",
    "load_tensors:   CPU_Mapped model buffer size =   281.81 MiB",
    "llama_kv_cache:      CUDA0 KV buffer size =   100.00 MiB",
    "llama_kv_cache:      CUDA0 KV buffer size =    28.00 MiB",
    "llama_kv_cache:      CUDA1 KV buffer size =   128.00 MiB",
    "sched_reserve:      CUDA0 compute buffer size =   124.00 MiB",
    "sched_reserve:      CUDA1 compute buffer size =   130.00 MiB",
    "sched_reserve:  CUDA_Host compute buffer size =    40.02 MiB",
]


def test_the_processors_buffers_are_read() -> None:
    host = sizes(ON_PROCESSOR)[HOST]
    assert (host.kv, host.weights, host.repacked) == (
        128 * MIB,
        round(762.81 * MIB),
        round(445.5 * MIB),
    )
    assert host.total == host.weights + host.kv + round(72.02 * MIB) + round(0.49 * MIB)


def test_cards_have_the_names_of_the_plan_and_their_caches_add_up() -> None:
    found = told(planned("RTX", "RTX #2"), ON_CARDS)
    assert (found["RTX"]["kv"], found["RTX #2"]["weights"]) == (128 * MIB, 2400 * MIB)
    assert found[HOST]["compute"] == round(40.02 * MIB)


def test_the_engines_own_table_is_read() -> None:
    row = "…_print: |   - Host               |       43359 = 40543 +    2560 +     256                |"
    place, host = breakdown(row) or ("", None)
    assert place == HOST
    assert host
    assert (host.weights, host.kv, host.compute) == (40543 * MIB, 2560 * MIB, 256 * MIB)
    row = "|   - CUDA0 (RTX 3060)   | 12044 = 6000 + ( 5551 =  4403 +    1024 +     124) +         493 |"
    place, card = breakdown(row) or ("", None)
    assert card
    assert (place, card.weights, card.compute) == ("CUDA0", 4403 * MIB, 124 * MIB)
    assert breakdown("srv  load_model: nothing of the kind") is None


def test_the_difference_is_a_part_of_what_was_taken() -> None:
    plan = planned()
    taken = {HOST: {"weights": 100 * MIB, "kv": 50 * MIB, "compute": 10 * MIB}}
    assert off(plan, taken) == {HOST: 0.0}
    assert off(plan, {HOST: {"weights": 150 * MIB}}) == {HOST: 160 / 150 - 1}
    assert off(plan, {}) == {}


def planned(*cards: str) -> Plan:
    devices = tuple(
        DevicePlan(name=name, weights=100 * MIB, kv=50 * MIB, compute=10 * MIB, available=0)
        for name in (HOST, *cards)
    )
    return Plan(
        model="m",
        tier="closed form",
        verdict="fits",
        devices=devices,
        context=1,
        slots=1,
        gpu_layers=0,
        threads=1,
    )
