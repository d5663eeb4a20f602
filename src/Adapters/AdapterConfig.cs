using System.Text.Json.Nodes;
using Marrow.Adapters.Peft;
using Marrow.Adapters.Targets;
using Marrow.Engine.Layers;
using Marrow.Formats;

namespace Marrow.Adapters;

/// <summary>
/// The settings of an adapter: what every method has. A method derives its own record with the names and defaults of the PEFT library,
/// makes its layers and writes its own keys.
/// </summary>
public abstract record AdapterConfig
{
    /// <summary>Rank of LoRA, block size of the others; 0 where there are no blocks.</summary>
    public abstract int R { get; init; }

    /// <summary>How the trainable values start.</summary>
    public AdapterInit InitWeights { get; init; } = AdapterInit.Default;

    /// <summary>What is adapted.</summary>
    public TargetSelection Targets { get; init; } = new();

    /// <summary>The base model's path or name, as the file says.</summary>
    public string? BaseModel { get; init; }

    /// <summary>PEFT's task type.</summary>
    public string? TaskType { get; init; } = "CAUSAL_LM";

    /// <summary>Keys of a file that mean nothing here, with their JSON text: written again as they were.</summary>
    public IReadOnlyDictionary<string, string> Kept { get; init; } = new Dictionary<string, string>();

    /// <summary>Whether linear layers are adapted.</summary>
    public virtual bool AdaptsLayers => true;

    /// <summary>Whether the states that recurrent layers start from are trained.</summary>
    public bool TrainStates { get; init; }

    /// <summary>Whether weight decay applies to trained states.</summary>
    public bool DecayStates { get; init; }

    /// <summary>The method's entry in <see cref="AdapterMethods"/>.</summary>
    public abstract AdapterMethod Method { get; }

    /// <summary>The adapter of one layer; <paramref name="site"/> is the layer's number among <see cref="Engine.Models.CausalModel.Linears"/> and names its dropout draws.</summary>
    /// <exception cref="MarrowException">AD001, AD005: a setting that this layer cannot have.</exception>
    public abstract LayerAdapter CreateAdapter(LinearLayer layer, int site);

    /// <summary>The method's own keys of adapter_config.json.</summary>
    public abstract void Write(JsonObject fields);

    /// <summary>Switches of PEFT that this method does not have: written with their neutral value, refused with any other.</summary>
    public virtual IReadOnlyList<PeftSwitch> Switches => [];

    /// <summary>Checks the settings that do not depend on a layer.</summary>
    /// <exception cref="MarrowException">AD001 a setting out of range.</exception>
    public virtual void Check()
    {
        Require(R > 0, $"r is {R}, but must be above 0");
    }

    /// <summary>Throws AD001 unless <paramref name="holds"/>.</summary>
    protected static void Require(bool holds, string message)
    {
        if (!holds)
            throw new MarrowException("AD001", $"adapter: {message}. [AD001]");
    }

    /// <summary>Checks a dropout probability.</summary>
    protected static void RequireProbability(string key, double p) => Require(p is >= 0 and < 1, $"{key} is {p}, but must be at least 0 and below 1");
}

/// <summary>How an adapter's values start.</summary>
public enum AdapterInit
{
    /// <summary>At the base model: the adapter changes nothing before training.</summary>
    Default,
    /// <summary>LoRA's A normally distributed, B zero.</summary>
    Gaussian,
    /// <summary>All values random, for tests: the adapter changes the model at once.</summary>
    Random,
}
