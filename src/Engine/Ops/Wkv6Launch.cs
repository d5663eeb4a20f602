using Marrow.Engine.Devices;
using Marrow.Engine.Jit;
using Marrow.Formats;

namespace Marrow.Engine;

/// <summary>
/// The devices' launches. A first kernel takes each state from chunk to chunk, the only part that must go in order; a second computes what
/// the tokens of each chunk need from there, all chunks at once. Backward does the same with the gradient of the state, from behind.
/// </summary>
internal sealed partial class Wkv6Node
{
    private const int WantsV = 1, WantsR = 2, WantsK = 4, WantsL = 8, WantsU = 16;

    private static readonly Kernel StepStates = Kernel.Of(typeof(Wkv6Node), nameof(StatesKernel)),
        ChunkOutputs = Kernel.Of(typeof(Wkv6Node), nameof(OutputKernel)), ChunkGradients = Kernel.Of(typeof(Wkv6Node), nameof(GradientsKernel));

    private static Tensor? ForwardOn(KernelDevice gpu, in Wkv6Inputs inputs, Tensor? initial, Tensor y, Tensor? final, bool keeps)
    {
        int n = inputs.N;
        CheckFits(gpu, n);
        int scope = y.Tape!.Open();
        Tensor states = y.Tape.New(ChunkStates(inputs));
        gpu.Launch(StepStates, StateGroups(inputs), inputs.L, inputs.K, inputs.V, inputs.Starts, initial ?? states, states, final ?? states, inputs.Heads, n,
            initial is not null, initial?.Shape.Rank == 4, final is not null, true, false, false);
        gpu.Launch(ChunkOutputs, ChunkGroups(inputs), inputs.R, inputs.L, inputs.K, inputs.V, inputs.U, inputs.Starts, states, y, inputs.Sequences, inputs.Heads, n, Room(n));
        if (keeps)
            return y.Tape.Close(scope, states);
        y.Tape.Close(scope);
        return null;
    }

    private void BackwardOn(KernelDevice gpu, Tensor dy)
    {
        // In the order in which the kernel writes: where one tensor is several inputs, each adds to what those before it wrote.
        int n = _inputs.N, wants = 0, adds = 0;
        Tensor? Slot(Tensor input, int bit)
        {
            Tensor? gradient = GradOf(input, out bool more);
            wants |= gradient is null ? 0 : bit;
            adds |= more ? bit : 0;
            return gradient;
        }
        Tensor? dv = Slot(_inputs.V, WantsV), dk = Slot(_inputs.K, WantsK), dr = Slot(_inputs.R, WantsR), dl = Slot(_inputs.L, WantsL), du = Slot(_inputs.U, WantsU);
        bool addsToInitial = false;
        Tensor? initial = _initial is null ? null : GradOf(_initial, out addsToInitial), dfinal = Second?.Grad;
        Tensor? shared = initial?.Shape.Rank == 3 ? Tape.New(new Shape(_inputs.Sequences, initial.Shape.Elements)) : null;
        Tensor gradients = Tape.New(_states.Shape);
        gpu.Launch(StepStates, StateGroups(_inputs), _inputs.L, _inputs.R, dy, _inputs.Starts, dfinal ?? gradients, gradients, shared ?? initial ?? gradients, _inputs.Heads, n,
            dfinal is not null, true, initial is not null, wants != 0, addsToInitial && shared is null, true);
        if (shared is not null)
            ColumnSums.Finish(gpu, shared, initial!, addsToInitial);
        if (wants == 0)
            return;
        Tensor bonus = Tape.New(new Shape(_states.Shape[0], _inputs.Channels));
        gpu.Launch(ChunkGradients, ChunkGroups(_inputs), _inputs.R, _inputs.L, _inputs.K, _inputs.V, _inputs.U, dy, _inputs.Starts, _states, gradients,
            dv ?? _inputs.V, dr ?? _inputs.R, dk ?? _inputs.K, dl ?? _inputs.L, bonus, _inputs.Sequences, _inputs.Heads, n, wants, adds, Room(n));
        if (du is not null)
            ColumnSums.Finish(gpu, bonus, du, (adds & WantsU) != 0);
    }

    // Sequence s owns the places from starts[s] / 16 + s on, some of them without tokens.
    private static Shape ChunkStates(in Wkv6Inputs inputs) => new(inputs.Tokens / ChunkTokens + inputs.Sequences, inputs.Heads, inputs.N, inputs.N);

    // What a head has in shared memory; few different values, for each is another kernel.
    private static int Room(int n) => n <= 32 ? 32 : (n + 63) / 64 * 64;

    private static int Lanes(int n) => n <= 32 ? 32 : 64;

    private static Grid StateGroups(in Wkv6Inputs inputs)
    {
        int n = inputs.N, lanes = Lanes(n);
        return new Grid(lanes, inputs.Sequences * inputs.Heads, (n + StateRows - 1) / StateRows, (n + lanes - 1) / lanes);
    }

    private static Grid ChunkGroups(in Wkv6Inputs inputs) => new(Lanes(inputs.N), ChunkStates(inputs)[0] * inputs.Heads);

    private static void CheckFits(KernelDevice gpu, int n)
    {
        int floats = 5 * ChunkTokens * Room(n) + Lanes(n) * (ChunkTokens + 1) + 2 * ChunkTokens * ChunkTokens;
        if (Lanes(n) > gpu.Capabilities.MaxLanes || floats * sizeof(float) > gpu.Capabilities.SharedBytes)
            throw new MarrowException("E111", $"wkv6: heads of {n} channels do not fit the {gpu.Capabilities.SharedBytes} bytes of shared memory of {gpu.Name}. Use --device cpu. [E111]");
    }
}
