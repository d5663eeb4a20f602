static inline float SwiGluNode_Sigmoid2(float x)
{
    return 1.0f / (1.0f + exp(-x));
}

static inline float4 SwiGluNode_Sigmoid(float4 v)
{
    return make_f4(SwiGluNode_Sigmoid2(v.x), SwiGluNode_Sigmoid2(v.y), SwiGluNode_Sigmoid2(v.z), SwiGluNode_Sigmoid2(v.w));
}

__kernel __attribute__((reqd_work_group_size(128, 1, 1)))
void SwiGluNode_BackwardKernel(__global float* g_base, long g_first, __global float* u_base, long u_first, __global float* dy_base, long dy_first, __global float* dg_base, long dg_first, __global float* du_base, long du_first, int n, int quads, int withG, int withU, int moreG, int moreU)
{
    __global float* g = g_base + g_first;
    __global float* u = u_base + u_first;
    __global float* dy = dy_base + dy_first;
    __global float* dg = dg_base + dg_first;
    __global float* du = du_base + du_first;
    int i = (int)get_global_id(0);
    if (i < quads)
    {
        i *= 4;
        float4 gate = *(__global float4*)&g[i];
        float4 d = *(__global float4*)&dy[i];
        float4 s = SwiGluNode_Sigmoid(gate);
        float4 up = *(__global float4*)&u[i];
        if (withU != 0)
        {
            float4 v = ((d * gate) * s);
            if (moreU != 0)
                v = (v + *(__global float4*)&du[i]);
            *(__global float4*)&du[i] = v;
        }
        if (withG != 0)
        {
            float4 v2 = (((d * up) * s) * (make_f4(1.0f, 1.0f, 1.0f, 1.0f) + (gate * (make_f4(1.0f, 1.0f, 1.0f, 1.0f) - s))));
            if (moreG != 0)
                v2 = (v2 + *(__global float4*)&dg[i]);
            *(__global float4*)&dg[i] = v2;
        }
    }
    else
    {
        i += 3 * quads;
        if (i < n)
        {
            float gate2 = g[i];
            float d2 = dy[i];
            float s2 = SwiGluNode_Sigmoid2(gate2);
            float up2 = u[i];
            if (withU != 0)
                du[i] = d2 * gate2 * s2 + (moreU == 0 ? 0.0f : du[i]);
            if (withG != 0)
                dg[i] = d2 * up2 * s2 * (1.0f + gate2 * (1.0f - s2)) + (moreG == 0 ? 0.0f : dg[i]);
        }
    }
}
