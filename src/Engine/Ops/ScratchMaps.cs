#pragma warning disable
using Marrow.Engine.Autograd;
using Marrow.Formats.Numerics;
namespace Marrow.Engine;
public static unsafe partial class Ops
{
    sealed class FnNode : Node
    {
        public Action<Tensor> Fn = null!;
        public FnNode() { }
        protected internal override void Backward(Tensor grad) => Fn(grad);
        public Tensor? G(Tensor t) => SumOf(t);
    }
    static void Rec(Tape tape, Tensor y, Tensor[] ins, Action<FnNode, Tensor> back)
    {
        if (!tape.Recording || !ins.Any(i => i.NeedsGrad)) return;
        var n = new FnNode();
        foreach (var i in ins) n.Save(i);
        n.Save(y);
        n.Fn = g => back(n, g);
        tape.Record(n, y);
    }
    static Tensor Map(Tensor x, Tensor? bias, Func<float, float> f, Func<float, float, float> d)
    {
        var y = x.Tape!.New(x.Shape); int c = x.Shape.Last; int n = x.Shape.Elements;
        for (int i = 0; i < n; i++) y.F32[i] = f(x.F32[i] + (bias is null ? 0 : bias.F32[i % c]));
        Rec(x.Tape!, y, bias is null ? [x] : [x, bias], (node, g) =>
        {
            var dx = node.G(x); var db = bias is null ? null : node.G(bias);
            for (int i = 0; i < n; i++) { float v = g.F32[i] * d(x.F32[i] + (bias is null ? 0 : bias.F32[i % c]), y.F32[i]); if (dx != null) dx.F32[i] += v; if (db != null) db.F32[i % c] += v; }
        });
        return y;
    }
    static float Sg(float x) => 1f / (1f + MathF.Exp(-x));
    public static Tensor Tanh(Tensor x) => Map(x, null, MathF.Tanh, (a, y) => 1 - y * y);
    public static Tensor Sigmoid(Tensor x, Tensor? bias = null) => Map(x, bias, Sg, (a, y) => y * (1 - y));
    public static Tensor SquaredRelu(Tensor x) => Map(x, null, a => a > 0 ? a * a : 0, (a, y) => a > 0 ? 2 * a : 0);
    public static Tensor LogDecay7(Tensor x, Tensor w0) => Map(x, w0, a => -MathF.Exp(-0.5f) * Sg(a), (a, y) => y * (1 - Sg(a)));
    public static Tensor LogDecay6(Tensor x, Tensor w0) => Map(x, w0, a => -MathF.Exp(a), (a, y) => y);
    public static Tensor Multiply(Tensor x, Tensor z, float factor = 1)
    {
        var y = x.Tape!.New(x.Shape); int n = x.Shape.Elements;
        for (int i = 0; i < n; i++) y.F32[i] = factor * x.F32[i] * z.F32[i];
        Rec(x.Tape!, y, [x, z], (node, g) => { var dx = node.G(x); var dz = node.G(z); for (int i = 0; i < n; i++) { if (dx != null) dx.F32[i] += factor * g.F32[i] * z.F32[i]; if (dz != null) dz.F32[i] += factor * g.F32[i] * x.F32[i]; } });
        return y;
    }
    public static Tensor RemovalKey(Tensor k, Tensor kk, int heads)
    {
        var y = k.Tape!.New(k.Shape); int c = k.Shape.Last, n = k.Shape.Elements, h = c / heads;
        for (int o = 0; o < n; o += h) { float s = 0; for (int i = 0; i < h; i++) { float v = k.F32[o + i] * kk.F32[(o + i) % c]; s += v * v; } s = MathF.Max(MathF.Sqrt(s), 1e-12f); for (int i = 0; i < h; i++) y.F32[o + i] = -k.F32[o + i] * kk.F32[(o + i) % c] / s; }
        Rec(k.Tape!, y, [k, kk], (node, g) =>
        {
            var dk = node.G(k); var dkk = node.G(kk);
            for (int o = 0; o < n; o += h)
            {
                float s = 0, dot = 0; for (int i = 0; i < h; i++) { float v = k.F32[o + i] * kk.F32[(o + i) % c]; s += v * v; dot += g.F32[o + i] * y.F32[o + i]; }
                s = MathF.Sqrt(s); if (s <= 1e-12f) continue;
                for (int i = 0; i < h; i++) { float dv = -(g.F32[o + i] - y.F32[o + i] * dot) / s; if (dk != null) dk.F32[o + i] += dv * kk.F32[(o + i) % c]; if (dkk != null) dkk.F32[(o + i) % c] += dv * k.F32[o + i]; }
            }
        });
        return y;
    }
    public static Tensor ReplacementKey(Tensor k, Tensor a, Tensor ka)
    {
        var y = k.Tape!.New(k.Shape); int c = k.Shape.Last, n = k.Shape.Elements;
        for (int i = 0; i < n; i++) y.F32[i] = k.F32[i] * (1 + (a.F32[i] - 1) * ka.F32[i % c]);
        Rec(k.Tape!, y, [k, a, ka], (node, g) => { var dk = node.G(k); var da = node.G(a); var dka = node.G(ka); for (int i = 0; i < n; i++) { if (dk != null) dk.F32[i] += g.F32[i] * (1 + (a.F32[i] - 1) * ka.F32[i % c]); if (da != null) da.F32[i] += g.F32[i] * k.F32[i] * ka.F32[i % c]; if (dka != null) dka.F32[i % c] += g.F32[i] * k.F32[i] * (a.F32[i] - 1); } });
        return y;
    }
    public static Tensor ValueMix(Tensor v, Tensor first, Tensor x, Tensor v0)
    {
        var y = v.Tape!.New(v.Shape); int c = v.Shape.Last, n = v.Shape.Elements;
        for (int i = 0; i < n; i++) y.F32[i] = v.F32[i] + (first.F32[i] - v.F32[i]) * Sg(x.F32[i] + v0.F32[i % c]);
        Rec(v.Tape!, y, [v, first, x, v0], (node, g) => { var dv = node.G(v); var df = node.G(first); var dx = node.G(x); var d0 = node.G(v0); for (int i = 0; i < n; i++) { float s = Sg(x.F32[i] + v0.F32[i % c]); if (dv != null) dv.F32[i] += g.F32[i] * (1 - s); if (df != null) df.F32[i] += g.F32[i] * s; float q = g.F32[i] * (first.F32[i] - v.F32[i]) * s * (1 - s); if (dx != null) dx.F32[i] += q; if (d0 != null) d0.F32[i % c] += q; } });
        return y;
    }
    public static Tensor HeadBonus(Tensor b, Tensor r, Tensor k, Tensor u, Tensor v, int heads)
    {
        var y = b.Tape!.New(b.Shape); int c = b.Shape.Last, n = b.Shape.Elements, h = c / heads;
        for (int o = 0; o < n; o += h) { float s = 0; for (int i = 0; i < h; i++) s += r.F32[o + i] * k.F32[o + i] * u.F32[(o + i) % c]; for (int i = 0; i < h; i++) y.F32[o + i] = b.F32[o + i] + s * v.F32[o + i]; }
        Rec(b.Tape!, y, [b, r, k, u, v], (node, g) =>
        {
            var db = node.G(b); var dr = node.G(r); var dk = node.G(k); var du = node.G(u); var dv = node.G(v);
            for (int o = 0; o < n; o += h) { float s = 0, t = 0; for (int i = 0; i < h; i++) { s += r.F32[o + i] * k.F32[o + i] * u.F32[(o + i) % c]; t += g.F32[o + i] * v.F32[o + i]; }
                for (int i = 0; i < h; i++) { int j = o + i; if (db != null) db.F32[j] += g.F32[j]; if (dv != null) dv.F32[j] += g.F32[j] * s; if (dr != null) dr.F32[j] += t * k.F32[j] * u.F32[j % c]; if (dk != null) dk.F32[j] += t * r.F32[j] * u.F32[j % c]; if (du != null) du.F32[j % c] += t * r.F32[j] * k.F32[j]; } }
        });
        return y;
    }
}
