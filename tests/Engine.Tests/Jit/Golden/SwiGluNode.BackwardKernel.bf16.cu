static __forceinline__ __device__ float SwiGluNode_Sigmoid2(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

static __forceinline__ __device__ float4 SwiGluNode_Sigmoid(float4 v)
{
    return make_f4(SwiGluNode_Sigmoid2(v.x), SwiGluNode_Sigmoid2(v.y), SwiGluNode_Sigmoid2(v.z), SwiGluNode_Sigmoid2(v.w));
}

extern "C" __global__ void __launch_bounds__(128)
SwiGluNode_BackwardKernel(ushort* g, ushort* u, ushort* dy, ushort* dg, ushort* du, int n, int quads, int withG, int withU, int moreG, int moreU)
{
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < quads)
    {
        i *= 4;
        float4 gate = bf16x4_to_f32(*(ushort4*)&g[i]);
        float4 d = bf16x4_to_f32(*(ushort4*)&dy[i]);
        float4 s = SwiGluNode_Sigmoid(gate);
        float4 up = bf16x4_to_f32(*(ushort4*)&u[i]);
        if (withU != 0)
        {
            float4 v = ((d * gate) * s);
            if (moreU != 0)
                v = (v + bf16x4_to_f32(*(ushort4*)&du[i]));
            *(ushort4*)&du[i] = f32x4_to_bf16(v);
        }
        if (withG != 0)
        {
            float4 v2 = (((d * up) * s) * (make_f4(1.0f, 1.0f, 1.0f, 1.0f) + (gate * (make_f4(1.0f, 1.0f, 1.0f, 1.0f) - s))));
            if (moreG != 0)
                v2 = (v2 + bf16x4_to_f32(*(ushort4*)&dg[i]));
            *(ushort4*)&dg[i] = f32x4_to_bf16(v2);
        }
    }
    else
    {
        i += 3 * quads;
        if (i < n)
        {
            float gate2 = bf16_to_f32(g[i]);
            float d2 = bf16_to_f32(dy[i]);
            float s2 = SwiGluNode_Sigmoid2(gate2);
            float up2 = bf16_to_f32(u[i]);
            if (withU != 0)
                du[i] = f32_to_bf16(d2 * gate2 * s2 + (moreU == 0 ? 0.0f : bf16_to_f32(du[i])));
            if (withG != 0)
                dg[i] = f32_to_bf16(d2 * up2 * s2 * (1.0f + gate2 * (1.0f - s2)) + (moreG == 0 ? 0.0f : bf16_to_f32(dg[i])));
        }
    }
}
