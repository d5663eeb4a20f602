using Marrow.Formats.HuggingFace;
using Marrow.Formats.Numerics;
using Marrow.Formats.Rwkv;
using Marrow.Formats.Tests.Gguf;
using Marrow.Formats.Tests.Rwkv;

namespace Marrow.Formats.Tests.RwkvCpp;

/// <summary>rwkv.cpp's files give the official tensors of which its converter made them.</summary>
public sealed class RwkvCppFileTests : IDisposable
{
    private const int Channels = 8, Heads = 2;
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(7)]
    [InlineData(6)]
    public void Official_tensors_come_back(int version)
    {
        using MemoryTensors official = TinyModels.OfficialRwkv(version, channels: Channels, heads: Heads, layers: 2);
        using ModelFolder model = ModelFolder.Open(_folder.Put("m.bin", Stored(official, version).Bytes()));
        TinyModels.AssertSame(official, model.Tensors);
        var config = Assert.IsType<RwkvConfig>(model.Config);
        Assert.Equal((version, Channels, 2), (config.Version, config.HiddenSize, config.LayerCount));
    }

    [Fact]
    public void Quantised_matrices_stay_as_they_are()
    {
        using MemoryTensors official = TinyModels.OfficialRwkv(7, DType.Q5_0, channels: 32, heads: 2, layers: 1);
        using ModelFolder model = ModelFolder.Open(_folder.Put("m.bin", Stored(official, 7, tokens: 7, channels: 32).Bytes()));
        Assert.Equal(DType.Q5_0, model.Tensors.Tensors["blocks.0.ffn.key.weight"].DType);
        TinyModels.AssertSame(official, model.Tensors);
    }

    /// <summary>As rwkv.cpp's converter stores a model.</summary>
    internal static RawRwkvCpp Stored(MemoryTensors official, int version, int tokens = 7, int channels = Channels)
    {
        var file = new RawRwkvCpp { Tokens = tokens, Channels = channels };
        foreach (TensorInfo info in official.Tensors.Values)
        {
            string part = info.Name[(info.Name.IndexOf('.', Math.Min(7, info.Name.Length - 1)) + 1)..];
            byte[] bytes = TinyModels.Bytes(official, info.Name);
            long[] shape = [.. info.Shape];
            bool lowRank = version == 7 ? part.Length == 6 && part[^1] is '1' or '2' : part is "att.time_maa_w1" or "att.time_maa_w2" or "att.time_decay_w1" or "att.time_decay_w2";
            if (version == 7 && part.StartsWith("att.x_", StringComparison.Ordinal))
            {
                if (part == "att.x_r")
                    file.Tensor(info.Name[..^1] + "rwkvag", 0, [channels, 1, 6], [.. "rwkvag".SelectMany(x => TinyModels.Bytes(official, info.Name[..^1] + x))]);
                continue;
            }
            if (lowRank)
                (bytes, shape) = (Transposed(bytes, shape), [.. shape.SkipLast(2), shape[^1], shape[^2]]);
            else if (version == 6 && part == "att.time_faaaa")
                shape = [.. shape, 1];
            else if (version == 6 && part == "att.time_decay")
                shape = [Heads, channels / Heads, 1];
            else if (version == 6 && part.Contains(".time_", StringComparison.Ordinal))
                shape = [.. shape.Where(d => d != 1)];
            file.Tensor(info.Name, RawRwkvCpp.TypeOf(info.DType), [.. shape.Reverse().Select(d => (int)d)], bytes);
        }
        return file;
    }

    private static byte[] Transposed(byte[] bytes, long[] shape)
    {
        int rows = (int)shape[^2], columns = (int)shape[^1];
        byte[] moved = new byte[bytes.Length];
        for (int start = 0; start < bytes.Length; start += 4 * rows * columns)
            for (int r = 0; r < rows; r++)
                for (int c = 0; c < columns; c++)
                    bytes.AsSpan(start + 4 * (r * columns + c), 4).CopyTo(moved.AsSpan(start + 4 * (c * rows + r)));
        return moved;
    }
}
