/* A warp's share of a bf16 product, for CUDA C++ and OpenCL C alike. Gpu.WarpMultiply says what lies where.
   The text before gives FUNCTION, SHARED_WORDS, WARP_LANE and, where there are tensor cores, SHARED_ADDRESS. */
#ifdef MARROW_MATRIX_UNITS

/* Four 8×8 tiles of 16-bit words; lane 8·i + j names row j of tile i. Lane l gets words 2·(l mod 4) and the next of row l/4 of each. */
FUNCTION void load_tiles(uint* words, uint address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
        : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3]) : "r"(address));
}

/* The same of the transposed tiles. */
FUNCTION void load_tiles_transposed(uint* words, uint address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
        : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3]) : "r"(address));
}

/* c[16, 8] += a[16, 16]·b[16, 8], fp32 sums. */
FUNCTION void multiply_tile(float* c, const uint* a, const uint* b)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

FUNCTION void warp_multiply(SHARED_WORDS a, int aStride, int aTransposed, SHARED_WORDS b, int bStride, int bTransposed, float* c, int rows, int columns)
{
    /* The lane's place among the four tiles that one load brings. */
    int lane = WARP_LANE, row = lane & 7, low = lane >> 3 & 1, high = lane >> 4;
    /* a: tiles (i 0, k 0), (8, 0), (0, 8), (8, 8). b: tiles (k 0, j 0), (8, 0), (0, 8), (8, 8). */
    int aPlace = aTransposed ? (8 * high + row) * aStride + 8 * low : (8 * low + row) * aStride + 8 * high;
    int bPlace = bTransposed ? (8 * low + row) * bStride : row * bStride + 8 * low;
    /* Where the second column of tiles is not there, its loads repeat the first. */
    int bNext = bTransposed ? 8 : 8 * bStride;
    uint aFirst = SHARED_ADDRESS(a + aPlace), bFirst = SHARED_ADDRESS(b + bPlace);
    /* Four rows of tiles are held in registers at a time. */
#pragma unroll
    for (int r0 = 0; r0 < rows; r0 += 4)
    {
        uint aWords[16];
#pragma unroll
        for (int r = 0; r < 4; r++)
        {
            if (r0 + r < rows && aTransposed)
                load_tiles_transposed(aWords + 4 * r, aFirst + 2u * (uint)(16 * (r0 + r)));
            else if (r0 + r < rows)
                load_tiles(aWords + 4 * r, aFirst + 2u * (uint)(16 * (r0 + r) * aStride));
        }
#pragma unroll
        for (int s = 0; s < columns; s += 2)
        {
            uint bWords[4];
            uint address = bFirst + 2u * (uint)(bNext * (s + 1 < columns ? s + high : s));
            if (bTransposed)
                load_tiles_transposed(bWords, address);
            else
                load_tiles(bWords, address);
#pragma unroll
            for (int r = 0; r < 4; r++)
            {
                if (r0 + r < rows)
                    multiply_tile(c + 4 * ((r0 + r) * columns + s), aWords + 4 * r, bWords);
                if (r0 + r < rows && s + 1 < columns)
                    multiply_tile(c + 4 * ((r0 + r) * columns + s + 1), aWords + 4 * r, bWords + 2);
            }
        }
    }
}

#else

FUNCTION void warp_multiply(SHARED_WORDS a, int aStride, int aTransposed, SHARED_WORDS b, int bStride, int bTransposed, float* c, int rows, int columns)
{
    /* Nothing is won by unrolling here, and a compiler may take many seconds over it. */
    int lane = WARP_LANE;
#pragma unroll 1
    for (int tile = 0; tile < rows * columns; tile++)
    {
#pragma unroll 1
        for (int v = 0; v < 4; v++)
        {
            int i = 16 * (tile / columns) + (lane >> 2) + 8 * (v >> 1), j = 8 * (tile % columns) + 2 * (lane & 3) + (v & 1);
            float sum = 0.0f;
#pragma unroll 1
            for (int k = 0; k < 16; k++)
                sum += bf16_to_f32(a[aTransposed ? k * aStride + i : i * aStride + k]) * bf16_to_f32(b[bTransposed ? k * bStride + j : j * bStride + k]);
            c[4 * tile + v] += sum;
        }
    }
}

#endif
