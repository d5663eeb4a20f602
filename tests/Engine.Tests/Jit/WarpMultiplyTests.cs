using System.Text.RegularExpressions;
using Marrow.Engine.Devices;
using Marrow.Engine.Jit;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Jit;

/// <summary>
/// The prelude's product of a warp on tensor cores, run where there are none: on an OpenCL device its three PTX instructions are replaced by what the PTX ISA
/// says of them (lanes exchange rows and fragments through local memory). What is tested is the text that NVIDIA devices get, all but the instructions' spelling.
/// </summary>
public sealed class WarpMultiplyTests(ITestOutputHelper output)
{
    // Places in a are bytes behind it, in 32 bits as a shared address has; lanes exchange below it: 32 · 6 words.
    private const string Instructions = """
        #undef SHARED_ADDRESS
        #define SHARED_ADDRESS(p) ((uint)((size_t)(p) - (size_t)a))
        #define EXCHANGE ((__local uint*)a - 192)
        #define load_tiles(words, address) read_tiles(words, address, (__local const uchar*)a, EXCHANGE, 0)
        #define load_tiles_transposed(words, address) read_tiles(words, address, (__local const uchar*)a, EXCHANGE, 1)
        #define multiply_tile(c, a_words, b_words) multiply_fragments(c, a_words, b_words, EXCHANGE)

        static inline void read_tiles(uint* words, uint address, __local const uchar* base, __local uint* exchange, int transposed)
        {
            int lane = WARP_LANE;
            barrier(CLK_LOCAL_MEM_FENCE);
            exchange[lane] = address;
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int tile = 0; tile < 4; tile++)
            {
                uint word = 0;
                for (int half_ = 0; half_ < 2; half_++)
                {
                    int row = transposed ? 2 * (lane % 4) + half_ : lane / 4, column = transposed ? lane / 4 : 2 * (lane % 4) + half_;
                    word |= (uint)((__local const ushort*)(base + (int)exchange[8 * tile + row]))[column] << 16 * half_;
                }
                words[tile] = word;
            }
        }

        static inline void multiply_fragments(float* c, const uint* a_words, const uint* b_words, __local uint* exchange)
        {
            int lane = WARP_LANE;
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int i = 0; i < 4; i++)
                exchange[lane * 6 + i] = a_words[i];
            for (int i = 0; i < 2; i++)
                exchange[lane * 6 + 4 + i] = b_words[i];
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int v = 0; v < 4; v++)
            {
                int row = lane / 4 + 8 * (v / 2), column = 2 * (lane % 4) + v % 2;
                for (int k = 0; k < 16; k++)
                {
                    uint x = exchange[(row % 8 * 4 + k % 8 / 2) * 6 + row / 8 + 2 * (k / 8)], y = exchange[(column * 4 + k % 8 / 2) * 6 + 4 + k / 8];
                    c[v] += bf16_to_f32((ushort)(x >> 16 * (k % 2))) * bf16_to_f32((ushort)(y >> 16 * (k % 2)));
                }
            }
        }

        """;

    [Theory]
    [InlineData(false, false, 1, 2)]
    [InlineData(false, true, 1, 3)]
    [InlineData(true, false, 5, 1)]
    [InlineData(true, true, 2, 1)]
    public void Lanes_get_their_places(bool aTransposed, bool bTransposed, int rows, int columns)
    {
        foreach (bool matrixUnits in (bool[])[false, true])
        {
            using KernelDevice? device = OpenClTestDevice.Open(output, new DeviceOptions { BuildOptions = "-cl-opt-disable" });
            if (device is null)
                return;
            // Strides beyond the rows, so that a place that is off by a row does not go unseen.
            int m = 16 * rows, n = 8 * columns, aStride = (aTransposed ? m : 16) + 8, bStride = (bTransposed ? n : 16) + 16;
            int aCount = aStride * (aTransposed ? 16 : m), bCount = bStride * (bTransposed ? 16 : n), values = 4 * rows * columns;
            var random = new Random(rows * 10 + columns);
            float[] a = [.. Enumerable.Range(0, aCount).Select(_ => (float)random.Next(-8, 9))], b = [.. Enumerable.Range(0, bCount).Select(_ => (float)random.Next(-8, 9))];
            using Tensor ta = Tensor.Of(device, new Shape(aCount), a), tb = Tensor.Of(device, new Shape(bCount), b), tc = new(device, new Shape(32 * values));
            string kernel = $$"""
                kernel __attribute__((reqd_work_group_size(32, 1, 1)))
                void product(global const float* x, long x0, global const float* y, long y0, global float* z, long z0)
                {
                    local ushort exchange_and_a[384 + {{aCount}}] __attribute__((aligned(16)));
                    local ushort bs[{{bCount}}] __attribute__((aligned(16)));
                    local ushort* as = exchange_and_a + 384;
                    int lane = (int)get_local_id(0);
                    for (int i = lane; i < {{aCount}}; i += 32)
                        as[i] = f32_to_bf16(x[x0 + i]);
                    for (int i = lane; i < {{bCount}}; i += 32)
                        bs[i] = f32_to_bf16(y[y0 + i]);
                    barrier(CLK_LOCAL_MEM_FENCE);
                    float c[{{values}}];
                    for (int i = 0; i < {{values}}; i++)
                        c[i] = 1.0f;
                    warp_multiply(as, {{aStride}}, {{(aTransposed ? 1 : 0)}}, bs, {{bStride}}, {{(bTransposed ? 1 : 0)}}, c, {{rows}}, {{columns}});
                    for (int i = 0; i < {{values}}; i++)
                        z[z0 + lane * {{values}} + i] = c[i];
                }

                """;
            var text = new KernelText("product", Text(matrixUnits) + kernel, 32, [new(0, true, 4), new(1, true, 4), new(2, true, 4)]);
            device.Launch(text, new Grid(32, 1), ta, tb, tc);
            float[] found = tc.ToArray();
            for (int place = 0; place < found.Length; place++)
            {
                int lane = place / values, tile = place % values / 4, v = place % 4;
                int i = 16 * (tile / columns) + lane / 4 + 8 * (v / 2), j = 8 * (tile % columns) + 2 * (lane % 4) + v % 2;
                float sum = 1;
                for (int k = 0; k < 16; k++)
                    sum += a[aTransposed ? k * aStride + i : i * aStride + k] * b[bTransposed ? k * bStride + j : j * bStride + k];
                Assert.True(sum == found[place], $"matrix units {matrixUnits}, row {i}, column {j}: {found[place]} instead of {sum}");
            }
        }
    }

    private static string Text(bool matrixUnits)
    {
        string text = Prelude.Of(new Dialect(DialectLanguage.OpenCl, false, matrixUnits), 32);
        if (!matrixUnits)
            return text;
        var functions = new Regex(@"^FUNCTION void (load_tiles|load_tiles_transposed|multiply_tile)\([^{]*\{.*?^\}\n", RegexOptions.Multiline | RegexOptions.Singleline);
        Assert.Equal(3, functions.Count(text));
        text = functions.Replace(text, "");
        int product = text.IndexOf("FUNCTION void warp_multiply", StringComparison.Ordinal);
        return text.Insert(product, Instructions);
    }
}
