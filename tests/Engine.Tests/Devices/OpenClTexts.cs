using Marrow.Engine.Jit;

namespace Marrow.Engine.Tests.Devices;

/// <summary>Kernels written by hand, for tests of the device without the translator.</summary>
internal static class OpenClTexts
{
    /// <summary>y[i] = a·x[i] + (b[i] where there is a b), for i below n.</summary>
    public static KernelText Axpy(int lanes = 64, string name = "axpy") => new(name,
        $$"""
        kernel __attribute__((reqd_work_group_size({{lanes}}, 1, 1)))
        void {{name}}(global const float* x, long x0, global const float* b, long b0, global float* y, long y0, float a, int n)
        {
            int i = (int)get_global_id(0) + (int)(get_global_size(0) * get_group_id(1));
            if (i < n)
                y[y0 + i] = a * x[x0 + i] + (b ? b[b0 + i] : 0.0f);
        }

        """,
        lanes, [new(0, true, 4), new(1, true, 4), new(2, true, 4), new(3, false, 4), new(4, false, 4)]);
}
