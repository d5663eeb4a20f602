using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Tests.Cpu;
using Marrow.Formats.Numerics;
using Marrow.Formats.Numerics.Blocks;

namespace Marrow.Engine.Tests.Numerics;

/// <summary>Encodes, decodes and multiplies by blocks again in child processes with wide vectors switched off.</summary>
public sealed class BlockLevelTests
{
    [Theory]
    [InlineData("DOTNET_EnableAVX512")]
    [InlineData("DOTNET_EnableAVX2")]
    [InlineData("DOTNET_EnableHWIntrinsic")]
    public async Task Blocks_and_values_are_the_same_at_lower_levels(string variable)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(BlockLevelTests).Assembly.Location, "blocks"]) { RedirectStandardOutput = true };
        start.Environment[variable] = "0";
        using Process child = Process.Start(start)!;
        string[] lines = (await child.StandardOutput.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        await child.WaitForExitAsync();
        // A switch that has been renamed would test nothing, but a machine may lack what it switches off.
        Assert.True(lines[0] != CpuDevice.SimdLevel || variable == "DOTNET_EnableAVX512" && CpuDevice.SimdLevel != "AVX-512" || CpuDevice.SimdLevel is "128-bit" or "scalar", lines[0]);
        string[] here = Digests();
        Assert.Equal(BlockFormats.All.Count(f => f.Decode is not null), here.Length);
        Assert.Equal(here, lines[1..]);
    }

    /// <summary>For every type a line of its name and digests of what it encodes and decodes, and every product of few rows that is not exact.</summary>
    internal static string[] Digests()
    {
        var random = new SplitMix64(3);
        float[] values = new float[64 * 256];
        for (int i = 0; i < values.Length; i++)
            values[i] = (i / 256 % 4) switch
            {
                0 => (random.Next() >> 40) - 8388608f,
                1 => (random.Next() >> 40) * 1e-9f,
                2 => ((random.Next() >> 40) - 8388608f) * (random.Next() % 16 == 0 ? 1e-3f : 1e-6f),
                _ => random.Next() % 8 == 0 ? (random.Next() >> 40) * 1e-22f : -0f,
            };
        var lines = new List<string>();
        foreach (BlockFormat format in BlockFormats.All)
        {
            if (format.Decode is not { } decode)
                continue;
            byte[] blocks = new byte[values.Length / format.Elements * format.Bytes];
            if (format.Encode is { } encode)
            {
                encode(values, blocks);
            }
            else
            {
                // Bit 6 of every byte is clear, so that no scale is without a number.
                for (int i = 0; i < blocks.Length; i++)
                    blocks[i] = (byte)(random.Next() & 0xBF);
            }
            float[] decoded = new float[values.Length];
            decode(blocks, decoded);
            lines.Add($"{format.Name} {Digest(blocks)} {Digest(MemoryMarshal.AsBytes<float>(decoded))}");
            lines.AddRange(GemmBlockTypeTests.FewRows(format.DType));
        }
        return [.. lines];
    }

    private static string Digest(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
