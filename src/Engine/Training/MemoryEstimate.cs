using Marrow.Engine.Models;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;
using Marrow.Formats.Rwkv;

namespace Marrow.Engine.Training;

/// <summary>
/// What training an adapter will take on the device, from the configuration alone. Activations are counted as the tape holds them for
/// backward, with every adapted layer keeping its input (Bone keeps less); a test holds the sum against the measured peak.
/// </summary>
/// <param name="Weights">Bytes of the frozen weights.</param>
/// <param name="Trainable">Bytes of the trainable values, their gradients and both moments, fp32.</param>
/// <param name="Activations">Bytes of activations that a pass keeps for backward, and of states that are carried from pass to pass.</param>
/// <param name="BlockWork">Bytes that backward of one block takes beside them.</param>
/// <param name="HeadWork">Bytes that the head and the loss take beside them: one chunk of logits, and hidden states with their gradient.</param>
public sealed record MemoryEstimate(long Weights, long Trainable, long Activations, long BlockWork, long HeadWork)
{
    /// <summary>The fullest moment: either the head or a block is at work.</summary>
    public long Total => Weights + Trainable + Activations + Math.Max(BlockWork, HeadWork);

    /// <summary>
    /// The estimate for passes over at most <paramref name="batchTokens"/> tokens; <paramref name="matrices"/> is the type of the weight matrices in memory (where they differ, put the sum in <see cref="Weights"/>), <paramref name="activations"/> that of activations.
    /// A pass has <paramref name="sequences"/> sequences; with <paramref name="carries"/> their states are carried from segment to segment.
    /// </summary>
    public static MemoryEstimate For(ModelConfig config, DType matrices, long trainableValues, int batchTokens, bool activationCheckpointing, DType activations = DType.F32, int sequences = 1, bool carries = false) => config switch
    {
        LlamaConfig llama => For(llama, matrices, trainableValues, batchTokens, activationCheckpointing, activations),
        RwkvConfig rwkv => For(rwkv, matrices, trainableValues, batchTokens, activationCheckpointing, activations, sequences, carries),
        _ => throw new ArgumentException($"no estimate for {config?.GetType().Name}", nameof(config)),
    };

    /// <summary>
    /// Bytes of the largest bf16 copy of a quantised weight that products by a vendor's library take beside everything else, one at a time; devices with such a library make
    /// them where activations are bf16.
    /// </summary>
    public static long DecodedCopy(CausalModel model) =>
        model.Weights.Where(w => MatMul.DecodesFor(w.Value)).Select(w => DType.BF16.Bytes(w.Value.Shape.Count)).DefaultIfEmpty().Max();

    private static MemoryEstimate For(LlamaConfig config, DType matrices, long trainableValues, int batchTokens, bool activationCheckpointing, DType activations)
    {
        long c = config.HiddenSize, f = config.IntermediateSize, each = activations.Bytes(1);
        long q = (long)config.HeadCount * config.HeadDim, kv = (long)config.KeyValueHeadCount * config.HeadDim;
        // Bytes of one row. Both residuals and their norms, q, k, v, the attention's output and its log-sums, gate, up and their product.
        long block = each * (4 * c + 2 * q + 2 * kv + 3 * f) + sizeof(float) * (config.HeadCount + 2);
        if (config.QueryKeyNorm)
            block += each * (q + kv) + sizeof(float) * (config.HeadCount + config.KeyValueHeadCount);
        // The norms of what attention and the MLP add keep their inputs.
        if (config.OutputNorms)
            block += each * 2 * c + sizeof(float) * 2;
        // The MLP is the widest place of backward: the gradients of its three inner activations and of two residuals.
        long passing = each * (3 * f + 2 * c);
        long kept = config.LayerCount * (activationCheckpointing ? each * c : block) + each * c;
        // Logits are fp32; where activations are narrower, the logits' gradient stands beside them.
        long logit = sizeof(float) + (activations == DType.F32 ? 0 : each);
        long logits = LinearCrossEntropyNode.ChunkFor(batchTokens, config.VocabularySize) * (logit * config.VocabularySize + each * 2 * c);
        return new MemoryEstimate(WeightBytes(config, matrices), 4 * sizeof(float) * trainableValues, batchTokens * kept,
            batchTokens * (activationCheckpointing ? block + passing : passing), batchTokens * each * 2 * c + logits);
    }

    private static MemoryEstimate For(RwkvConfig config, DType matrices, long trainableValues, int batchTokens, bool activationCheckpointing, DType activations, int sequences, bool carries)
    {
        long c = config.HiddenSize, f = config.IntermediateSize, each = activations.Bytes(1);
        // Channels of one row that a block keeps in the activations' type, with everything trained; statistics and the log decay are fp32, as are the states of every 16th position.
        long kept = config.Version == 7 ? 27 * c + 2 * f + 2 * (config.DecayRank + config.GateRank) + config.RateRank + config.ValueRank
            : 27 * c + 2 * f + 5 * config.MixRank + 2 * config.DecayRank;
        long block = each * kept + sizeof(float) * (c + 4 + 2 * config.HeadCount + c * config.HeadSize / 16);
        // WKV's backward is the widest place: the gradients of all that it reads.
        long passing = each * 10 * c;
        long all = config.LayerCount * (activationCheckpointing ? each * c : block) + each * c;
        // RWKV-7's first block hands its values to the others, and is not computed again.
        if (activationCheckpointing && config.Version == 7)
            all += block;
        long logit = sizeof(float) + (activations == DType.F32 ? 0 : each);
        long logits = LinearCrossEntropyNode.ChunkFor(batchTokens, config.VocabularySize) * (logit * config.VocabularySize + each * 2 * c);
        // A layer keeps one more state of each sequence. Carried are an incoming and an outgoing state of every layer: the WKV state and two rows.
        long state = sequences * sizeof(float) * c * config.HeadSize, states = state * (activationCheckpointing ? 1 : config.LayerCount);
        if (carries)
            states += 2 * config.LayerCount * (state + sequences * each * 2 * c);
        return new MemoryEstimate(WeightBytes(config, matrices), 4 * sizeof(float) * trainableValues, batchTokens * all + states,
            batchTokens * (activationCheckpointing ? block + passing : passing), batchTokens * each * 2 * c + logits);
    }

    private static long WeightBytes(RwkvConfig config, DType matrices)
    {
        long c = config.HiddenSize, f = config.IntermediateSize, layers = config.LayerCount;
        (long matrix, long vectors) = config.Version == 7
            ? (layers * (4 * c * c + 2 * c * f + 2 * c * (config.DecayRank + config.RateRank + config.GateRank)) + (layers - 1) * 2 * c * config.ValueRank, (19 * layers - 1) * c)
            : (layers * (6 * c * c + 2 * c * f + 10 * c * config.MixRank + 2 * c * config.DecayRank), 16 * layers * c);
        vectors += 4 * c + (config.HasInitialStates ? layers * c * config.HeadSize : 0);
        return Bytes(matrices, matrix + 2L * config.VocabularySize * c) + sizeof(float) * vectors;
    }

    private static long WeightBytes(LlamaConfig config, DType matrices)
    {
        long c = config.HiddenSize, f = config.IntermediateSize, q = (long)config.HeadCount * config.HeadDim, kv = (long)config.KeyValueHeadCount * config.HeadDim;
        long matrix = config.LayerCount * (2 * c * q + 2 * c * kv + 3 * c * f) + (config.TiedEmbeddings ? 1 : 2) * config.VocabularySize * c;
        long vectors = (config.OutputNorms ? 4 : 2) * c + (config.QueryKeyValueBias ? q + 2 * kv : 0) + (config.OutputBias ? c : 0) + (config.MlpBias ? 2 * f + c : 0)
            + (config.QueryKeyNorm ? 2 * config.HeadDim : 0);
        return Bytes(matrices, matrix) + sizeof(float) * (config.LayerCount * vectors + c);
    }

    // As if all matrices together were one run of blocks.
    private static long Bytes(DType type, long count)
    {
        int each = type.IsBlock() ? BlockFormats.Of(type).Elements : 1;
        return type.Bytes((count + each - 1) / each * each);
    }
}
