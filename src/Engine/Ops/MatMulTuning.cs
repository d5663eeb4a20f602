using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;
using Marrow.Formats;
using Marrow.Formats.Numerics;

namespace Marrow.Engine;

/// <summary>One tile measured on one product.</summary>
/// <param name="Product">What was computed: "2048×1024·1024×2048 F32".</param>
/// <param name="Tile">How: "tiled 128×64×8, 8×8".</param>
/// <param name="Gflops">The best of the runs in 10⁹ operations a second; 0 where the tile was given up.</param>
/// <param name="Chosen">The fastest of the product's tiles.</param>
/// <param name="Remark">Why it was given up; empty otherwise.</param>
public sealed record MatMulTiming(string Product, string Tile, double Gflops, bool Chosen, string Remark);

/// <summary>
/// Measures which tile computes each form of product fastest on a device, and keeps the result in a file that later runs name as
/// <see cref="DeviceOptions.Tuning"/>. A tile must agree with the default one before it is timed.
/// </summary>
public static class MatMulTuning
{
    private const int Runs = 3;
    private const double CutAt = 3, SecondsOfShape = 2, SecondsInAll = 60;
    private const string Schema = "marrow/tuning/v1";

    // A product of each form: m, n, k.
    private static readonly (int M, int N, int K)[] Shapes = [(2048, 2048, 1024), (256, 512, 512), (2048, 16, 2048), (16, 2048, 2048)];

    private static readonly DType[] Types = [DType.F32, DType.BF16];

    /// <summary>Measures, writes <paramref name="file"/>, and returns what was measured, a line for each tile and product. <paramref name="progress"/> gets each line as it comes.</summary>
    /// <exception cref="OperationCanceledException">Cancelled: nothing is written.</exception>
    /// <exception cref="MarrowException">The device failed, or the file cannot be written.</exception>
    public static IReadOnlyList<MatMulTiming> Run(KernelDevice device, string file, Action<string> progress, CancellationToken cancellation) =>
        Run(device, file, progress, Shapes, cancellation);

    /// <summary>As the public one with products of one's own, one for each form in the order of <see cref="ProductForm"/>.</summary>
    internal static IReadOnlyList<MatMulTiming> Run(KernelDevice device, string file, Action<string> progress, (int M, int N, int K)[] shapes, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(progress);
        var forms = new List<(DType Type, ProductForm Form, List<MatMulTiming> Rows)>();
        var clock = Stopwatch.StartNew();
        foreach (DType type in Types)
        {
            for (int form = 0; form < MatMulTiles.Forms; form++)
            {
                List<MatMulTiming> rows = Measure(device, type, shapes[form], clock, cancellation);
                forms.Add((type, (ProductForm)form, rows));
                foreach (MatMulTiming row in rows)
                    progress($"{row.Product}  {row.Tile}: {(row.Remark.Length > 0 ? row.Remark : string.Create(CultureInfo.InvariantCulture, $"{row.Gflops:F1} GFLOP/s{(row.Chosen ? " *" : "")}"))}");
            }
        }
        AtomicFile.WriteBytes(file, Document(device, forms));
        return [.. forms.SelectMany(f => f.Rows)];
    }

    /// <summary>Takes the choices of a tuning file over the defaults, where they were measured on this device with these kernels.</summary>
    /// <exception cref="MarrowException">DV021 the file is not one that tuning wrote.</exception>
    internal static void Apply(KernelDevice device, string file, MatMulTile[] inFull, MatMulTile[] inBf16)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(file));
            JsonElement root = document.RootElement;
            if (root.GetProperty("schema").GetString() != Schema)
                throw new FormatException("schema");
            if (root.GetProperty("device").GetString() != device.Description || root.GetProperty("driver").GetString() != device.Capabilities.Driver)
            {
                device.Notice?.Invoke($"{device.Name}: {file} was measured on another device or driver; the defaults are used. Run `marrow tune`.");
                return;
            }
            foreach (JsonElement choice in root.GetProperty("choices").EnumerateArray())
            {
                var form = Enum.Parse<ProductForm>(choice.GetProperty("form").GetString()!, true);
                bool bf16 = Enum.Parse<DType>(choice.GetProperty("type").GetString()!) == DType.BF16;
                string name = choice.GetProperty("tile").GetString()!;
                if (MatMulTiles.Candidates(device.Capabilities, bf16).FirstOrDefault(t => t.ToString() == name) is { } tile && Hash(device, tile) == choice.GetProperty("hash").GetString())
                    (bf16 ? inBf16 : inFull)[(int)form] = tile;
                else
                    device.Notice?.Invoke($"{device.Name}: {file} chose a kernel that has changed since ({form}, {(bf16 ? "BF16" : "F32")}); its default is used. Run `marrow tune`.");
            }
        }
        catch (Exception e) when (e is JsonException or FormatException or KeyNotFoundException or InvalidOperationException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            throw new MarrowException("DV021", $"{file}: not a tuning file that can be read ({Echo.Quote(e.Message)}); delete it or run `marrow tune`. [DV021]");
        }
    }

    private static List<MatMulTiming> Measure(KernelDevice device, DType type, (int M, int N, int K) shape, Stopwatch clock, CancellationToken cancellation)
    {
        (int m, int n, int k) = shape;
        var random = new Random(1);
        using Tensor a = Draw(device, random, new Shape(m, k), type), b = Draw(device, random, new Shape(n, k), type), c = new(device, new Shape(m, n), type);
        var product = new MatMul.Product(a, false, b, true, c, m, n, k, 1f, false);
        string name = $"{m}×{k}·{k}×{n} {type}";
        MatMulTile first = MatMulTiles.Default(device).For(product);
        MatMul.Run(device, product, first);
        float[] expected = c.ToArray();
        float largest = expected.Max(MathF.Abs);
        var rows = new List<MatMulTiming>();
        // Compiling counts for the whole only.
        double spent = 0, best = double.MaxValue;
        foreach (MatMulTile tile in MatMulTiles.Candidates(device.Capabilities, product.InBf16).OrderBy(t => t == first ? 0 : 1))
        {
            cancellation.ThrowIfCancellationRequested();
            if (rows.Count > 0 && (spent > SecondsOfShape || clock.Elapsed.TotalSeconds > SecondsInAll))
            {
                rows.Add(new(name, tile.ToString(), 0, false, "not measured: the time was up"));
                continue;
            }
            c.Clear();
            MatMul.Run(device, product, tile);
            float error = c.ToArray().Zip(expected, (x, y) => MathF.Abs(x - y)).Max();
            if (!(error <= largest * (type == DType.BF16 ? 1e-2f : 1e-5f)))
            {
                rows.Add(new(name, tile.ToString(), 0, false, string.Create(CultureInfo.InvariantCulture, $"disagrees by {error:G3} of {largest:G3}")));
                continue;
            }
            double seconds = double.MaxValue;
            for (int run = 0; run < Runs && (run == 0 || seconds < CutAt * best); run++)
            {
                var watch = Stopwatch.StartNew();
                MatMul.Run(device, product, tile);
                device.Synchronize();
                seconds = Math.Min(seconds, watch.Elapsed.TotalSeconds);
                spent += watch.Elapsed.TotalSeconds;
            }
            best = Math.Min(best, seconds);
            rows.Add(new(name, tile.ToString(), 2e-9 * m * n * k / seconds, false, ""));
        }
        int winner = rows.FindIndex(r => r.Gflops == rows.Max(x => x.Gflops));
        rows[winner] = rows[winner] with { Chosen = true };
        return rows;
    }

    private static byte[] Document(KernelDevice device, List<(DType Type, ProductForm Form, List<MatMulTiming> Rows)> forms)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("schema", Schema);
            json.WriteString("device", device.Description);
            json.WriteString("driver", device.Capabilities.Driver);
            json.WriteStartArray("choices");
            foreach ((DType type, ProductForm form, List<MatMulTiming> rows) in forms)
            {
                MatMulTiming chosen = rows.First(r => r.Chosen);
                json.WriteStartObject();
                json.WriteString("form", form.ToString().ToLowerInvariant());
                json.WriteString("type", type.ToString());
                json.WriteString("product", chosen.Product);
                json.WriteString("tile", chosen.Tile);
                json.WriteString("hash", Hash(device, chosen.Tile));
                json.WriteStartArray("timings");
                foreach (MatMulTiming row in rows)
                {
                    json.WriteStartObject();
                    json.WriteString("tile", row.Tile);
                    json.WriteString("hash", Hash(device, row.Tile));
                    json.WriteNumber("gflops", Math.Round(row.Gflops, 2));
                    if (row.Remark.Length > 0)
                        json.WriteString("remark", row.Remark);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }

    private static string Hash(KernelDevice device, string tile) => Hash(device, MatMulTile.All.First(t => t.ToString() == tile));

    // An edited kernel is another candidate, whatever its name.
    private static string Hash(KernelDevice device, MatMulTile tile) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(MatMul.TextOf(tile, device.Dialect).Source)))[..16];

    private static Tensor Draw(KernelDevice device, Random random, Shape shape, DType type)
    {
        var values = new float[shape.Count];
        for (int i = 0; i < values.Length; i++)
            values[i] = random.NextSingle() - 0.5f;
        var tensor = new Tensor(device, shape, type);
        tensor.WriteFloats(values);
        return tensor;
    }
}
