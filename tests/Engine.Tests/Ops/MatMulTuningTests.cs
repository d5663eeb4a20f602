using System.Text.Json.Nodes;
using Marrow.Engine.Devices;
using Marrow.Formats;
using Marrow.Formats.Numerics;
using Marrow.Tests;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Ops;

public sealed class MatMulTuningTests(ITestOutputHelper output)
{
    // Small ones: what is fastest does not matter here.
    private static readonly (int, int, int)[] Shapes = [(96, 160, 64), (64, 64, 64), (64, 16, 64), (16, 64, 64)];

    [Fact]
    public void What_was_measured_is_used_on_the_same_device_only()
    {
        using var folder = new TemporaryFolder();
        string file = Path.Combine(folder.Path, "tuning.json");
        using (KernelDevice? device = OpenClTestDevice.Open(output))
        {
            if (device is null)
                return;
            var lines = new List<string>();
            IReadOnlyList<MatMulTiming> rows = MatMulTuning.Run(device, file, lines.Add, Shapes, CancellationToken.None);
            Assert.Equal(rows.Count, lines.Count);
            Assert.All(rows.GroupBy(r => r.Product), g => Assert.Equal(1, g.Count(r => r.Chosen)));
            Assert.All(rows.Where(r => r.Chosen), r => Assert.Equal(rows.Where(x => x.Product == r.Product).Max(x => x.Gflops), r.Gflops));
            Assert.Equal(MatMulTiles.Forms * MatMulTiles.Candidates(device.Capabilities, false).Count(), rows.Count(r => r.Product.EndsWith(" F32", StringComparison.Ordinal)));
        }

        // Choices that no default would be: the last candidate everywhere.
        JsonNode document = JsonNode.Parse(File.ReadAllText(file))!;
        foreach (JsonNode? choice in document["choices"]!.AsArray())
        {
            JsonNode last = choice!["timings"]!.AsArray()[^1]!;
            choice["tile"] = last["tile"]!.DeepClone();
            choice["hash"] = last["hash"]!.DeepClone();
        }
        File.WriteAllText(file, document.ToJsonString());
        Assert.Equal(Enumerable.Repeat("last", MatMulTiles.Forms), Choices(file, []));

        var notices = new List<string>();
        document["choices"]!.AsArray()[0]!["hash"] = "0000000000000000";
        File.WriteAllText(file, document.ToJsonString());
        Assert.Equal(["default", "last", "last", "last"], Choices(file, notices));
        Assert.Contains("has changed since", Assert.Single(notices), StringComparison.Ordinal);

        notices.Clear();
        document["driver"] = "another";
        File.WriteAllText(file, document.ToJsonString());
        Assert.Equal(Enumerable.Repeat("default", MatMulTiles.Forms), Choices(file, notices));
        Assert.Contains("another device or driver", Assert.Single(notices), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"schema\":1}")]
    [InlineData("{\"schema\":\"marrow/tuning/v2\"}")]
    [InlineData("{\"schema\":\"marrow/tuning/v1\",\"device\":[]}")]
    public void A_damaged_file_is_named(string text)
    {
        using var folder = new TemporaryFolder();
        string file = Path.Combine(folder.Path, "tuning.json");
        File.WriteAllText(file, text);
        using KernelDevice? device = OpenClTestDevice.Open(output, new DeviceOptions { Tuning = file });
        if (device is null)
            return;
        MarrowException e = Assert.Throws<MarrowException>(() => device.Tiles);
        Assert.Equal("DV021", e.Code);
        Assert.Contains(file, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Cancelled_it_writes_nothing()
    {
        using var folder = new TemporaryFolder();
        string file = Path.Combine(folder.Path, "tuning.json");
        using KernelDevice? device = OpenClTestDevice.Open(output);
        if (device is null)
            return;
        Assert.Throws<OperationCanceledException>(() => MatMulTuning.Run(device, file, _ => { }, Shapes, new CancellationToken(true)));
        Assert.False(File.Exists(file));
    }

    // For each form whether the device uses its last candidate or its default, in fp32.
    private string[] Choices(string file, List<string> notices)
    {
        using KernelDevice device = OpenClTestDevice.Open(output, new DeviceOptions { Tuning = file, Notice = notices.Add })!;
        MatMulTiles defaults = MatMulTiles.Default(device);
        // The order in which they are measured: the default first.
        return [.. Enumerable.Range(0, MatMulTiles.Forms).Select(form =>
        {
            MatMulTile first = defaults[(ProductForm)form, false], used = device.Tiles[(ProductForm)form, false];
            return used == first ? "default" : used == MatMulTiles.Candidates(device.Capabilities, false).Last(t => t != first) ? "last" : used.ToString();
        })];
    }
}
