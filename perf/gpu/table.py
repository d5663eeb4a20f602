"""Turns the JSON lines of `run` into Markdown tables: steps beside the peers', then products and copies."""
import json
import sys


def number(value, form):
    return "" if value is None else format(value, form)


def main():
    lines = []
    for line in sys.stdin:
        if line.startswith("{"):
            lines.append(json.loads(line))
    steps = [x for x in lines if x.get("Part") == "step" or x.get("part") == "peer"]
    if steps:
        print("| shape | method | program | ms/step | tokens/s | of bf16 peak (4·N) | peak MiB | ratio to PEFT eager |\n|---|---|---|---|---|---|---|---|")
    for x in steps:
        base = [p for p in steps if p.get("name") == "PEFT eager" and (p["Shape"], p["Method"]) == (x["Shape"], x["Method"])]
        ratio = x["TokensPerSecond"] / base[0]["TokensPerSecond"] if base else None
        share = x.get("PeakShare")
        name = x.get("name") or f"Marrow {x.get('device', '')}".strip()
        print(f"| {x['Shape']} | {x['Method']} | {name} | {x['Milliseconds']:.1f} | {x['TokensPerSecond']:.0f} | {number(share, '.1%')} | {number(x['PeakMib'], '.0f')} | {number(ratio, '.2f')} |")
    for x in steps:
        if x.get("Part") == "step":
            print(f"\n{x['Shape']}, {x['Method']}: {x['Launches']} launches keep the host busy for {x['HostShare']:.0%} of a step, {x['Waits']} waits, {x['BytesPerStep']} managed B/step.", end="")
    products = [x for x in lines if x.get("part") == "gemm"]
    if products:
        print("\n\n| product | m | n | k | TFLOP/s | of peak |\n|---|---|---|---|---|---|")
    for x in products:
        print(f"| {x['name']} | {x['m']} | {x['n']} | {x['k']} | {x['tflops']:.1f} | {number(x.get('of_peak'), '.1%')} |")
    for x in lines:
        if x.get("part") == "copy":
            print(f"\nCopies: {x['device_gbs']:.0f} GB/s on the device, {x['upload_gbs']:.1f} to it, {x['download_gbs']:.1f} from it; a launch takes the host {x['launch_us']:.1f} us.")


if __name__ == "__main__":
    main()
