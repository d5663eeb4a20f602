using System.Text.Json;
using Marrow.Formats;
using Marrow.Host.Machines;

namespace Marrow.Host.Runs;

/// <summary>How far a run is.</summary>
public enum RunStatus
{
    /// <summary>Training, or ended without a word (killed, power cut).</summary>
    Running,
    /// <summary>All steps are done and the adapter is written.</summary>
    Completed,
    /// <summary>Stopped on request.</summary>
    Cancelled,
    /// <summary>Ended by an error.</summary>
    Failed,
}

/// <summary>What a run was made from and with: manifest.json.</summary>
public sealed record RunManifest
{
    private const string Version = "marrow/run/v1";

    /// <summary>The version of this file, "marrow/run/v1".</summary>
    public string Schema { get; init; } = "";

    /// <summary>How far the run is.</summary>
    public RunStatus Status { get; init; }

    /// <summary>The error's message, where <see cref="Status"/> is failed.</summary>
    public string? Error { get; init; }

    /// <summary>When the run began, UTC.</summary>
    public DateTimeOffset StartedAt { get; init; }

    /// <summary>When it ended, UTC; null while it runs.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>The steps it was resumed after, oldest first.</summary>
    public IReadOnlyList<int> ResumedAfterSteps { get; init; } = [];

    /// <summary>Optimizer steps done.</summary>
    public int Steps { get; init; }

    /// <summary>The version of marrow.</summary>
    public string Program { get; init; } = ProgramVersion.Text;

    /// <summary>The machine.</summary>
    public MachineInfo Machine { get; init; } = MachineInfo.Read();

    /// <summary>The device that computes, as the engine names it.</summary>
    public string Device { get; init; } = "";

    /// <summary>The device's name: "cpu", "opencl:0".</summary>
    public string DeviceName { get; init; } = "cpu";

    /// <summary>The devices that the run was on before, where it was resumed on another one; oldest first.</summary>
    public IReadOnlyList<string> EarlierDevices { get; init; } = [];

    /// <summary>The type of activations: "fp32" or "bf16".</summary>
    public string Activations { get; init; } = "fp32";

    /// <summary>SHA-256 of the device's tuned choices, which decide how sums are split; null where there are none.</summary>
    public string? Tuning { get; init; }

    /// <summary>Most memory that tensors held on the device in the last process.</summary>
    public long PeakBytes { get; init; }

    /// <summary>Kernels that the driver compiled in the last process.</summary>
    public int KernelsCompiled { get; init; }

    /// <summary>Kernels that came from the cache in the last process.</summary>
    public int KernelsLoaded { get; init; }

    /// <summary>Threads on the CPU; 0 on other devices.</summary>
    public int Threads { get; init; }

    /// <summary>The base model's files.</summary>
    public IReadOnlyList<FileHash> Base { get; init; } = [];

    /// <summary>The training and evaluation files.</summary>
    public IReadOnlyList<FileHash> Data { get; init; } = [];

    /// <summary>SHA-256 of resolved.yaml.</summary>
    public string Config { get; init; } = "";

    /// <summary>Reads manifest.json.</summary>
    /// <exception cref="MarrowException">RN002: it is not a manifest.</exception>
    public static RunManifest Read(string path)
    {
        try
        {
            RunManifest? manifest = JsonSerializer.Deserialize<RunManifest>(File.ReadAllBytes(path), JsonText.Indented);
            return manifest?.Schema == Version ? manifest : throw new JsonException($"schema is not {Version}");
        }
        catch (JsonException e)
        {
            throw new MarrowException("RN002", $"{Echo.Name(path, 300)}: not a run's manifest ({Echo.Name(e.Message, 200)}); choose another output.dir", e);
        }
    }

    /// <summary>The same with what a device did.</summary>
    public RunManifest On(DeviceUse use) => this with
    {
        Device = use.Description,
        DeviceName = use.Name,
        Activations = use.Activations,
        PeakBytes = use.PeakBytes,
        KernelsCompiled = use.KernelsCompiled,
        KernelsLoaded = use.KernelsLoaded,
    };

    /// <summary>Writes manifest.json.</summary>
    public void Write(string path) => AtomicFile.WriteText(path, JsonSerializer.Serialize(this with { Schema = Version }, JsonText.Indented) + "\n");
}
