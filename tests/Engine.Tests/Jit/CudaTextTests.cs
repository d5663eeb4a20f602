using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Marrow.Engine.Jit;
using Marrow.Formats.Numerics;
using Xunit.Abstractions;

namespace Marrow.Engine.Tests.Jit;

/// <summary>CUDA texts where there is no NVIDIA device: clang compiles them to PTX.</summary>
public sealed class CudaTextTests(ITestOutputHelper output) : IDisposable
{
    private static readonly string[] Compilers = ["clang-14", "clang", "clang-19", "clang-18", "clang-17", "clang-16", "clang-15"];
    private static readonly Dialect Cuda = new(DialectLanguage.Cuda, true, true);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_kernel_of_the_engine_compiles()
    {
        foreach (IGrouping<int, KeyValuePair<string, Kernel>> group in EngineKernels.All.GroupBy(k => k.Value.Lanes))
        {
            var text = new StringBuilder(Prelude.Of(Cuda, group.Key));
            int count = 0;
            foreach ((string name, Kernel kernel) in group)
            {
                foreach (DType element in kernel.ElementOf.Any(e => e >= 0) ? (DType[])[DType.F32, DType.BF16] : [DType.F32])
                {
                    // Variants of a kernel have one name: each gets a namespace.
                    string body = EngineKernels.Body(kernel, element, Cuda).Replace("extern \"C\" __global__", "__global__", StringComparison.Ordinal);
                    text.Append(CultureInfo.InvariantCulture, $"namespace variant_{count++} {{ /* {name} {element} */\n{body}\n}}\n");
                }
            }
            if (Compile(text.ToString(), "") is not { } ptx)
                return;
            Assert.Equal(count, Regex.Count(ptx, @"\.visible \.entry"));
            // An array in local memory is one of registers whose loop was not unrolled.
            Assert.Equal([], Regex.Matches(ptx, @"__local_depot\d+\[\d+\];").Select(m => $"{group.Key} lanes: {m.Value}"));
        }
    }

    [Fact]
    public void Kernels_that_read_blocks_compile()
    {
        foreach (IGrouping<int, (string Kernel, string Parameter)> group in EngineKernels.OfBlocks.GroupBy(k => EngineKernels.All[k.Kernel].Lanes))
        {
            var text = new StringBuilder(Prelude.Of(Cuda, group.Key));
            int count = 0;
            foreach ((string name, string parameter) in group)
            {
                // The functions are the same in every kernel: one sees all of them.
                foreach (DType block in name == "Casting.CastKernel" ? BlockElements.All : [DType.Q8_0, DType.Q4_K])
                {
                    string body = EngineKernels.Body(EngineKernels.All[name], DType.BF16, parameter, block, Cuda).Replace("extern \"C\" __global__", "__global__", StringComparison.Ordinal);
                    text.Append(CultureInfo.InvariantCulture, $"namespace variant_{count++} {{ /* {name} {block} */\n{body}\n}}\n");
                }
            }
            if (Compile(text.ToString(), "") is not { } ptx)
                return;
            Assert.Equal(count, Regex.Count(ptx, @"\.visible \.entry"));
            Assert.Equal([], Regex.Matches(ptx, @"__local_depot\d+\[\d+\];").Select(m => $"{group.Key} lanes: {m.Value}"));
        }
    }

    [Fact]
    public void Adversarial_programs_compile()
    {
        var text = new StringBuilder(Prelude.Of(Cuda, 32));
        int count = 0;
        foreach (Kernel kernel in AdversarialTests.Programs.Select(AdversarialTests.Runner).Concat(AdversarialTests.MemoryKernels))
        {
            string body = EngineKernels.Body(kernel, DType.F32, Cuda).Replace("extern \"C\" __global__", "__global__", StringComparison.Ordinal);
            text.Append(CultureInfo.InvariantCulture, $"namespace variant_{count++} {{ /* {kernel.Name} */\n{body}\n}}\n");
        }
        if (Compile(text.ToString(), "") is { } ptx)
            Assert.Equal(count, Regex.Count(ptx, @"\.visible \.entry"));
    }

    [Fact]
    public void The_prelude_compiles_and_multiplies_on_matrix_units()
    {
        string probe = File.ReadAllText(Beside("cuda_probe.cu"));
        if (Compile(Prelude.Of(Cuda, 96) + probe, "") is not { } ptx)
            return;
        // Tiles of each product; a load brings a tile of a, or two of b.
        Assert.Equal(4 * 8 + 2 * 3 + 4 * 4 + 5, Regex.Count(ptx, "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"));
        Assert.Equal((4 + 4) + 2 + (2) + 0, Regex.Count(ptx, @"ldmatrix.sync.aligned.m8n8.x4.shared.b16"));
        Assert.Equal(2 + 4 + (1 + 3), Regex.Count(ptx, @"ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16"));
        Assert.Matches("shfl.sync.bfly", ptx);
        Assert.Contains("cvt.rn.bf16.f32", ptx, StringComparison.Ordinal);
        Assert.DoesNotContain(".local", ptx, StringComparison.Ordinal);
    }

    [Fact]
    public void The_prelude_compiles_for_old_devices_without_matrix_units()
    {
        string probe = File.ReadAllText(Beside("cuda_probe.cu"));
        foreach (int lanes in (int[])[16, 32, 100, 1024])
        {
            if (Compile(Prelude.Of(Cuda with { MatrixUnits = false }, lanes) + probe, "sm_70") is not { } ptx)
                return;
            Assert.DoesNotContain("mma.sync", ptx, StringComparison.Ordinal);
            Assert.DoesNotContain("cvt.rn.bf16", ptx, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_text_that_is_wrong_is_refused()
    {
        if (Compile(Prelude.Of(Cuda, 32), "") is null)
            return;
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => Compile(Prelude.Of(Cuda, 32) + "__global__ void k(float* x) { x[0] = no_such_function(1.0f); }\n", ""));
    }

    private static string Beside(string name) => Repository.PathOf("tests", "Engine.Tests", "Jit", name);

    // PTX of a text; null, with the reason printed, where no clang is installed.
    private string? Compile(string text, string architecture)
    {
        string source = Path.Combine(_folder.Path, "kernels.cu"), ptx = Path.Combine(_folder.Path, "kernels.ptx");
        File.WriteAllText(source, text);
        File.Delete(ptx);
        string target = architecture.Length > 0 ? architecture : "sm_80";
        foreach (string compiler in Compilers)
        {
            var start = new ProcessStartInfo(compiler, ["-x", "cuda", $"--cuda-gpu-arch={target}", "--cuda-device-only", "-nocudainc", "-nocudalib", "-std=c++17", "-O2", "-Wno-unknown-cuda-version",
                "-Xclang", "-target-feature", "-Xclang", "+ptx70", "-include", Beside("cuda_shim.h"), "-S", "-o", ptx, source]) { RedirectStandardError = true };
            Process? process;
            try
            {
                process = Process.Start(start);
            }
            catch (System.ComponentModel.Win32Exception)
            {
                continue;
            }
            using (process)
            {
                string said = process!.StandardError.ReadToEnd();
                process.WaitForExit();
                Assert.True(process.ExitCode == 0, said.Length > 4000 ? said[..4000] : said);
                return File.ReadAllText(ptx);
            }
        }
        output.WriteLine($"skipped: no clang with NVIDIA's target here ({string.Join(", ", Compilers)}; Debian: apt-get install clang)");
        return null;
    }
}
