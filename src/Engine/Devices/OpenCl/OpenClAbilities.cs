using Marrow.Engine.Jit;

namespace Marrow.Engine.Devices.OpenCl;

/// <summary>What a driver's compiler and device can do: what they claim and kernels of a few lines then bear out.</summary>
/// <param name="Standard">The option that programs are built with.</param>
/// <param name="Subgroups">Reductions within sub-groups give the right sums.</param>
/// <param name="MatrixUnits">Inline PTX for bf16 tensor cores builds and gives the right products.</param>
/// <param name="Fp64">Double precision builds.</param>
/// <param name="Fp16">Arithmetic in half precision builds.</param>
internal sealed unsafe record OpenClAbilities(string Standard, bool Subgroups, bool MatrixUnits, bool Fp64, bool Fp16)
{
    private const int SubgroupLanes = 64;
    private static readonly string[] Standards = ["-cl-std=CL1.2", "-cl-std=CL2.0", "-cl-std=CL3.0"];

    private const string SmallestKernel = "kernel void probe(global float* x) { x[get_global_id(0)] = 1.0f; }\n";

    private const string Fp64Kernel = "#pragma OPENCL EXTENSION cl_khr_fp64 : enable\nkernel void probe(global double* x) { x[get_global_id(0)] *= 2.0; }\n";

    private const string Fp16Kernel = "#pragma OPENCL EXTENSION cl_khr_fp16 : enable\n"
        + "kernel void probe(global half* x) { half h = x[get_global_id(0)]; x[get_global_id(0)] = h * h + h; }\n";

    // Every lane tells its sub-group, and the sum and the largest of the lane numbers in it.
    private const string SubgroupKernel = """
        #ifdef cl_khr_subgroups
        #pragma OPENCL EXTENSION cl_khr_subgroups : enable
        #endif
        kernel __attribute__((reqd_work_group_size(64, 1, 1))) void probe(global int* out)
        {
            int lane = (int)get_local_id(0);
            out[lane] = (int)get_sub_group_id();
            out[64 + lane] = (int)sub_group_reduce_add((float)lane);
            out[128 + lane] = (int)sub_group_reduce_max((float)lane);
            out[192 + lane] = (int)get_sub_group_local_id();
        }

        """;

    // All four layouts of a and b in turn, with small integers that bf16 holds exactly: each lane tells its 12 values of [16, 24] = [16, 16]·[16, 24].
    private const string MatrixKernel = """
        #define LAYOUT(number, at, bt) \
            for (int p = lane; p < 24 * 24; p += 32) \
            { \
                int r = p / 24, q = p % 24; \
                if (r < 16) \
                    a[p] = f32_to_bf16((float)(at ? (q + 2 * r) % 5 - 2 : (r + 2 * q) % 5 - 2)); \
                b[p] = f32_to_bf16((float)(bt ? (3 * r + q) % 7 - 3 : (3 * q + r) % 7 - 3)); \
            } \
            for (int v = 0; v < 12; v++) \
                c[v] = 0.0f; \
            barrier(CLK_LOCAL_MEM_FENCE); \
            warp_multiply(a, 24, at, b, 24, bt, c, 1, 3); \
            for (int v = 0; v < 12; v++) \
                out[(32 * number + lane) * 12 + v] = (int)c[v]; \
            barrier(CLK_LOCAL_MEM_FENCE);

        kernel __attribute__((reqd_work_group_size(32, 1, 1))) void probe(global int* out)
        {
            local ushort a[16 * 24] __attribute__((aligned(16)));
            local ushort b[24 * 24] __attribute__((aligned(16)));
            int lane = (int)get_local_id(0);
            float c[12];
            LAYOUT(0, 0, 0)
            LAYOUT(1, 1, 0)
            LAYOUT(2, 0, 1)
            LAYOUT(3, 1, 1)
        }

        """;

    /// <summary>Tries a device out.</summary>
    /// <exception cref="Marrow.Formats.MarrowException">DV011 the driver does not even build the smallest kernel.</exception>
    public static OpenClAbilities Of(OpenClContext context, OpenClFound found, string name)
    {
        nint program = context.Build(SmallestKernel, Standards[0], out int status, out string log);
        if (program == 0)
            throw DeviceFaults.NotBuilt(name, "probe", Standards[0], OpenClStatus.Name(status), log);
        context.Api.ReleaseProgram(program);
        // Compilers that are asked for what their driver disclaims write to stderr as they please.
        string? standard = !found.ClaimsSubgroups ? null : Standards.FirstOrDefault(option => Run(context, SubgroupKernel, option, SubgroupLanes, 4 * SubgroupLanes) is { } sums && SubgroupsAgree(sums));
        return new OpenClAbilities(standard ?? Standards[0], standard is not null,
            found.IsNvidia && MatrixUnitsWork(context, standard ?? Standards[0]),
            found.ClaimsFp64 && Builds(context, Fp64Kernel), found.ClaimsFp16 && Builds(context, Fp16Kernel));
    }

    private static bool MatrixUnitsWork(OpenClContext context, string option)
    {
        string source = Prelude.Of(new Dialect(DialectLanguage.OpenCl, false, true), 32) + MatrixKernel;
        if (Run(context, source, option, 32, 4 * 32 * 12) is not { } found)
            return false;
        for (int p = 0; p < found.Length; p++)
        {
            int lane = p / 12 % 32, v = p % 12;
            int i = lane / 4 + 8 * (v % 4 / 2), j = 8 * (v / 4) + 2 * (lane % 4) + v % 2;
            if (found[p] != Enumerable.Range(0, 16).Sum(k => ((i + 2 * k) % 5 - 2) * ((3 * k + j) % 7 - 3)))
                return false;
        }
        return true;
    }

    private static bool Builds(OpenClContext context, string source)
    {
        nint program = context.Build(source, Standards[0], out _, out _);
        if (program != 0)
            context.Api.ReleaseProgram(program);
        return program != 0;
    }

    // What one group of a kernel writes into its one argument; null where any step fails.
    private static int[]? Run(OpenClContext context, string source, string option, int lanes, int count)
    {
        OpenClApi api = context.Api;
        nint program = context.Build(source, option, out _, out _);
        if (program == 0)
            return null;
        nint kernel = 0, memory = 0;
        try
        {
            int status;
            fixed (byte* name = "probe\0"u8)
                kernel = api.CreateKernel(program, name, &status);
            if (status != 0)
                return null;
            memory = api.CreateBuffer(context.Context, OpenClQuery.MemReadWrite, (nuint)count * sizeof(int), null, &status);
            nint argument = memory;
            nuint size = (nuint)lanes;
            int[] found = new int[count];
            fixed (int* to = found)
            {
                return status == 0
                    && api.SetKernelArg(kernel, 0, (nuint)sizeof(nint), &argument) == 0
                    && api.EnqueueNDRangeKernel(context.Queue, kernel, 1, null, &size, &size, 0, null, null) == 0
                    && api.EnqueueReadBuffer(context.Queue, memory, 1, 0, (nuint)count * sizeof(int), to, 0, null, null) == 0 ? found : null;
            }
        }
        finally
        {
            if (memory != 0)
                api.ReleaseMemObject(memory);
            if (kernel != 0)
                api.ReleaseKernel(kernel);
            api.ReleaseProgram(program);
        }
    }

    private static bool SubgroupsAgree(int[] found)
    {
        foreach (IGrouping<int, int> group in Enumerable.Range(0, SubgroupLanes).GroupBy(lane => found[lane]))
        {
            if (group.Any(lane => found[SubgroupLanes + lane] != group.Sum() || found[2 * SubgroupLanes + lane] != group.Max())
                || group.Count(lane => found[3 * SubgroupLanes + lane] == 0) != 1)
                return false;
        }
        return true;
    }
}
