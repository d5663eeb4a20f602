using Marrow.Adapters.Methods;
using Marrow.Formats;
using Marrow.Formats.Safetensors;
using Xunit.Abstractions;

namespace Marrow.Adapters.Tests.Methods;

/// <summary>Golden vectors of one adapted layer, weight [24,40] and 15 rows, computed by another program in double precision.</summary>
public sealed class LayerVectorTests(ITestOutputHelper output)
{
    public static TheoryData<string, AdapterConfig, string[]> Cases => new()
    {
        { "lora", new LoraConfig { R = 4, LoraAlpha = 8 }, ["lora_A", "lora_B"] },
        { "rslora", new LoraConfig { R = 4, LoraAlpha = 8, UseRslora = true }, ["lora_A", "lora_B"] },
        { "dora", new DoraConfig { R = 4, LoraAlpha = 8 }, ["lora_A", "lora_B", "lora_magnitude_vector"] },
        { "bone", new MissConfig { R = 8 }, ["bone_block"] },
        { "bone_pad", new MissConfig { R = 16 }, ["bone_block"] },
        { "bat", new BatConfig { R = 8 }, ["bone_block"] },
        { "bat_row", new BatRowConfig { R = 8 }, ["disha"] },
        { "miss_mini", new MissMiniConfig { R = 8, MiniR = 6 }, ["miss_block"] },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Forward_gradients_and_merged_weight(string name, AdapterConfig config, string[] tensors)
    {
        if (!Fixtures.Find(output, $"ops/adapter_{name}.safetensors", out string path))
            return;
        using var file = SafetensorsFile.Open(path);
        using var layer = new OneLayer(config, 24, 40, Read(file, "in.weight"), [.. tensors.Select(t => Read(file, "in." + t))]);
        float[] y = layer.Run(Read(file, "in.x"), Read(file, "up.y"), out float[] dx, out float[][] gradients);
        Close("y", Read(file, "out.y"), y);
        Close("dx", Read(file, "grad.x"), dx);
        for (int i = 0; i < tensors.Length; i++)
            Close(tensors[i], Read(file, "grad." + tensors[i]), gradients[i]);
        // The inputs are rounded to fp32 on their way in; the rest is double.
        double[] merged = Read(file, "out.merged_weight"), got = layer.Merged();
        Assert.All(merged.Zip(got), p => Assert.Equal(p.First, p.Second, 1e-6));
    }

    private static void Close(string what, double[] want, float[] got)
    {
        Assert.Equal(want.Length, got.Length);
        double tolerance = 1e-4 * want.Max(Math.Abs);
        for (int i = 0; i < want.Length; i++)
            Assert.True(Math.Abs(want[i] - got[i]) <= tolerance, $"{what} at {i}: {got[i]}, expected {want[i]}");
    }

    private static double[] Read(SafetensorsFile file, string name)
    {
        var bytes = new byte[file.Require(name).ByteLength];
        file.Read(name, 0, bytes);
        return [.. Enumerable.Range(0, bytes.Length / sizeof(double)).Select(i => BitConverter.ToDouble(bytes, sizeof(double) * i))];
    }
}
