using System.Text.RegularExpressions;
using Marrow.Adapters.Converting;
using Marrow.Formats;
using Marrow.Formats.Numerics;
using Marrow.Formats.Safetensors;

namespace Marrow.Adapters.Kohya;

/// <summary>A file of sd-scripts' form, opened.</summary>
internal sealed partial class KohyaDocument : AdapterDocument
{
    private const string Down = ".lora_down.weight", Up = ".lora_up.weight", Alpha = ".alpha";

    public KohyaDocument(AdapterKind kind, SafetensorsFile tensors)
        : base(kind, tensors.Path, tensors)
    {
        foreach (string warning in tensors.Warnings)
            Warnings.Add(warning);
    }

    public static bool IsKey(string name) => name.EndsWith(Down, StringComparison.Ordinal) || name.EndsWith(Up, StringComparison.Ordinal);

    protected override AdapterContents Understand(BaseWeights? model)
    {
        OrderedDictionary<string, (AdapterMatrix? A, AdapterMatrix? B, double? Alpha)> found = [];
        foreach (TensorInfo tensor in Tensors.Tensors.Values)
        {
            string ending = new[] { Down, Up, Alpha }.FirstOrDefault(e => tensor.Name.EndsWith(e, StringComparison.Ordinal))
                ?? throw Error("KO001", $"tensor '{Echo.Name(tensor.Name)}' is no part of plain LoRA (lora_down.weight, lora_up.weight, alpha); LoHa, LoKr, DoRA and whole differences in this form are not supported. "
                    + "Merge the adapter with the program it is for, and take the difference of the models");
            string key = tensor.Name[..^ending.Length];
            found.TryGetValue(key, out var layer);
            found[key] = ending switch
            {
                Down => layer with { A = AdapterMatrix.Of(Tensors, tensor.Name) },
                Up => layer with { B = AdapterMatrix.Of(Tensors, tensor.Name) },
                _ => layer with { Alpha = Scalar(tensor) },
            };
        }
        Dictionary<string, string> modules = model is null ? [] : Flattened(model);
        List<AdaptedModule> layers = [];
        List<string> unresolved = [];
        foreach ((string key, var (a, b, alpha)) in found)
        {
            if (ModuleOf(key, modules, model is not null) is not { } module)
            {
                if (model is not null)
                    throw Error("AC007", $"'{Echo.Name(key)}' means no module of the base model {Echo.Name(model.Path)} ({model.Config.ModelType}); give the model that the adapter was trained on");
                unresolved.Add(key);
                module = key;
            }
            // Without an alpha, and with one of 0, sd-scripts takes the rank.
            layers.Add(Pair(module, a, b, r => new LoraScale(alpha is null or 0 ? r : alpha.Value)));
        }
        return new AdapterContents(layers, []) { Unresolved = unresolved };
    }

    private double Scalar(TensorInfo tensor)
    {
        if (tensor.Count != 1)
            throw Error("KO002", $"tensor '{Echo.Name(tensor.Name)}' {tensor.ShapeText} must hold one number");
        double alpha = tensor.DType.IsFloat() ? Tensors.ReadFloats(tensor.Name)[0] : Tensors.ReadInt64s(tensor.Name)[0];
        return double.IsFinite(alpha) ? alpha : throw Error("KO002", $"tensor '{Echo.Name(tensor.Name)}' is {alpha}, but must be a finite number; the file is damaged");
    }

    // Dots and underscores of a path look alike in a key, so only the model can tell them apart for certain.
    private static Dictionary<string, string> Flattened(BaseWeights model)
    {
        Dictionary<string, string> modules = [];
        foreach (string module in model.Modules)
        {
            foreach (string path in new[] { module, model.PathOf(module) })
            {
                modules.TryAdd(KohyaKind.Flat(path), module);
                if (path.StartsWith(KohyaKind.Root, StringComparison.Ordinal))
                    modules.TryAdd(KohyaKind.Flat(path[KohyaKind.Root.Length..]), module);
            }
        }
        return modules;
    }

    /// <summary>The module of "lora_{part of the program}_{path}"; null where it cannot be told.</summary>
    private static string? ModuleOf(string key, Dictionary<string, string> modules, bool isKnown)
    {
        if (!key.StartsWith("lora_", StringComparison.Ordinal))
            return null;
        for (int cut = key.IndexOf('_', "lora_".Length); cut > 0; cut = key.IndexOf('_', cut + 1))
        {
            string rest = key[(cut + 1)..];
            if (modules.TryGetValue(rest, out string? module))
                return module;
            if (!isKnown && Usual().Match(rest) is { Success: true } match)
            {
                Group llama = match.Groups["llama"], rwkv = match.Groups["rwkv"];
                return llama.Success ? $"model.layers.{match.Groups["n"].Value}.{llama.Value}.{match.Groups["name"].Value}" : $"blocks.{match.Groups["n"].Value}.{rwkv.Value}.{match.Groups["name"].Value}";
            }
        }
        return null;
    }

    [GeneratedRegex(@"\A(?:(?:model_)?layers_(?<n>\d{1,4})_(?<llama>self_attn|mlp)_(?<name>(?:q|k|v|o|gate|up|down)_proj)|blocks_(?<n>\d{1,4})_(?<rwkv>att|ffn)_(?<name>receptance|key|value|gate|output))\z", RegexOptions.CultureInvariant)]
    private static partial Regex Usual();
}
