using Marrow.Adapters.RwkvPeft;
using Marrow.Formats;
using Marrow.Formats.HuggingFace;

namespace Marrow.Adapters.Converting;

/// <summary>
/// The factors that PiSSA, OLoRA and their like started from and took off the base: W' = W − s·B₀·A₀ + s·B·A, which is LoRA of twice the rank on the
/// base as it was, with A = [A; A₀] and B = [B, −B₀] (spec/adapters.md §3.5).
/// </summary>
internal sealed class InitialFactors : IDisposable
{
    private readonly string _path;
    private readonly IDisposable _files;
    private readonly Dictionary<string, (AdapterMatrix? A, AdapterMatrix? B)> _factors = [];

    private InitialFactors(string path, IDisposable files) => (_path, _files) = (path, files);

    /// <summary>Opens RWKV-PEFT's init_pissa.pth, or the untrained adapter as a PEFT folder.</summary>
    /// <exception cref="MarrowException">AC012 it holds no start; otherwise as the reader of its kind.</exception>
    public static InitialFactors Open(string path, BaseWeights? model)
    {
        if (Directory.Exists(path))
        {
            AdapterDocument document = new PeftKind().Open(path);
            return Fill(new InitialFactors(path, document), initial =>
            {
                foreach (LowRankLayer layer in document.Read(model).Layers.OfType<LowRankLayer>())
                    initial._factors[layer.Module] = (layer.A, layer.B);
            });
        }
        ModelWeights weights = ModelWeights.OfFile(path);
        return Fill(new InitialFactors(path, weights), initial =>
        {
            foreach (string name in weights.Tensors.Tensors.Keys)
            {
                string plain = RwkvPeftContents.Plain(name);
                int dot = plain.LastIndexOf('.');
                string module = dot < 0 ? "" : plain[..dot], last = plain[(dot + 1)..];
                var has = initial._factors.GetValueOrDefault(module);
                if (last is "init_lora_A")
                    initial._factors[module] = has with { A = AdapterMatrix.Of(weights.Tensors, name) };
                else if (last is "init_lora_B")
                    initial._factors[module] = has with { B = AdapterMatrix.Of(weights.Tensors, name) };
            }
        });
    }

    /// <summary>The adapter on the base as it was before the start was taken off.</summary>
    /// <exception cref="MarrowException">AC012 the start is another adapter's.</exception>
    public AdapterContents Complete(AdapterContents contents)
    {
        var layers = new List<AdaptedModule>();
        foreach (AdaptedModule layer in contents.Layers)
        {
            if (layer is not LowRankLayer { Magnitude: null, IsEmbedding: false } low || !_factors.TryGetValue(layer.Module, out var start) || start is not { A: { } a, B: { } b }
                || (a.Columns, b.Rows) != (low.A.Columns, low.B.Rows) || a.Rows != b.Columns || a.Rows != low.Rank)
                throw new MarrowException("AC012", $"{Echo.Name(_path)}: holds no start that fits {layer.Method} of '{Echo.Name(layer.Module)}' (A₀ and B₀ of its rank, {layer.Rank}); give the start of this adapter. [AC012]");
            layers.Add(low with
            {
                A = low.A.Above(a),
                B = low.B.Beside(b.Times(-1)),
                Scale = low.Scale with { Alpha = low.Scale.Alpha * (low.Scale.IsByRoot ? Math.Sqrt(2) : 2) },
            });
        }
        if (_factors.Count != layers.Count)
            throw new MarrowException("AC012", $"{Echo.Name(_path)}: holds the start of {_factors.Count} layers, and the adapter has {layers.Count}; give the start of this adapter. [AC012]");
        return contents with { Layers = layers, ChangedBase = null };
    }

    public void Dispose() => _files.Dispose();

    private static InitialFactors Fill(InitialFactors initial, Action<InitialFactors> fill)
    {
        try
        {
            fill(initial);
            return initial._factors.Count > 0 ? initial : throw new MarrowException("AC012", $"{Echo.Name(initial._path)}: holds no start of an adapter (init_lora_A, init_lora_B); give init_pissa.pth, or the untrained adapter as a PEFT folder. [AC012]");
        }
        catch
        {
            initial.Dispose();
            throw;
        }
    }
}
