namespace Marrow.Adapters.Converting;

/// <summary>What an adapter holds, in a form that belongs to no file kind. The matrices are read from its files, which must stay open, when they are needed.</summary>
/// <param name="Layers">The adapted modules, in the file's order.</param>
/// <param name="Carried">Tensors beside them.</param>
public sealed record AdapterContents(IReadOnlyList<AdaptedModule> Layers, IReadOnlyList<CarriedTensor> Carried)
{
    /// <summary>The base model's name or path, as the files say.</summary>
    public string? BaseModel { get; init; }

    /// <summary>What a PEFT folder says beside; null where it is none.</summary>
    public PeftNotes? Notes { get; init; }

    /// <summary>Keys of the file that name modules which could not be told without the base model.</summary>
    public IReadOnlyList<string> Unresolved { get; init; } = [];

    /// <summary>
    /// Why the values mean a change of another model than the base: PiSSA, OLoRA and their like train on a base that their start was subtracted from. Null mostly.
    /// </summary>
    public string? ChangedBase { get; init; }
}
