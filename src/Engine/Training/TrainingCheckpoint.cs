using System.Buffers;
using System.Text.Json;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.Numerics;
using Marrow.Formats.Safetensors;

namespace Marrow.Engine.Training;

/// <summary>
/// A folder from which a run goes on with the same bits: trainer.safetensors (every parameter's value, exp_avg and exp_avg_sq, named
/// "value/…" and so on) and state.json (step, place in the data, losses, what must match, the tensors' SHA-256). It appears whole or not at all.
/// </summary>
public sealed class TrainingCheckpoint
{
    private const string Format = "marrow/checkpoint/v1", TensorsFile = "trainer.safetensors", StateFile = "state.json";
    private const string Values = "value/", FirstMoments = "exp_avg/", SecondMoments = "exp_avg_sq/";

    private readonly JsonFields _identity;

    private TrainingCheckpoint(string folder, JsonFields state)
    {
        Folder = folder;
        Step = (int)(state.Integer("step", 0, int.MaxValue) ?? throw Missing(state, "step"));
        Cursor = new DataCursor(
            (int)(state.Integer("epoch", 0, int.MaxValue) ?? throw Missing(state, "epoch")),
            (int)(state.Integer("position", 0, int.MaxValue) ?? throw Missing(state, "position")));
        EvaluationLoss = state.Number("eval_loss");
        BestEvaluationLoss = state.Number("best_eval_loss");
        _identity = state.Object("run") ?? throw Missing(state, "run");
    }

    /// <summary>Where it lies.</summary>
    public string Folder { get; }

    /// <summary>Optimizer steps done.</summary>
    public int Step { get; }

    /// <summary>Where the next step's data begin.</summary>
    public DataCursor Cursor { get; }

    /// <summary>The evaluation loss at this step; null where there was none.</summary>
    public double? EvaluationLoss { get; }

    /// <summary>The lowest evaluation loss up to this step.</summary>
    public double? BestEvaluationLoss { get; }

    /// <summary>Writes the trainer's state as folder <paramref name="folder"/>, replacing one there. <paramref name="jobHash"/> stands for the job's other settings, which must be the same on resume.</summary>
    /// <exception cref="MarrowException">IO008, IO009 the disk failed or a file stands there.</exception>
    public static void Write(string folder, Trainer trainer, string jobHash)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        AtomicFolder.Write(folder, fresh =>
        {
            string tensors = Path.Combine(fresh, TensorsFile);
            SafetensorsWriter.Write(tensors, Tensors(trainer.Parameters, trainer.Optimizer));
            AtomicFile.WriteBytes(Path.Combine(fresh, StateFile), State(trainer, jobHash, InputFile.Sha256(tensors)));
        });
    }

    /// <summary>Reads a checkpoint's state without looking at its tensors.</summary>
    /// <exception cref="MarrowException">TR020 state.json is missing or not JSON; TR021 a field is missing or wrong; IO… it cannot be read.</exception>
    public static TrainingCheckpoint ReadState(string folder) => new(folder, StateFields(folder));

    /// <summary>Opens a checkpoint after checking the tensors' hash: a folder that opens is whole.</summary>
    /// <exception cref="MarrowException">As <see cref="ReadState"/>; TR022 the tensors are not those that were written.</exception>
    public static TrainingCheckpoint Open(string folder)
    {
        JsonFields state = StateFields(folder);
        var checkpoint = new TrainingCheckpoint(folder, state);
        string tensors = Path.Combine(folder, TensorsFile), expected = state.Text("tensors_sha256") ?? throw Missing(state, "tensors_sha256");
        string found = InputFile.Sha256(tensors);
        if (!string.Equals(found, expected, StringComparison.OrdinalIgnoreCase))
            throw new ModelFileException("TR022", tensors, $"its SHA-256 is {found}, not {Echo.Name(expected)} as state.json says: the file is damaged; go on from an older checkpoint");
        return checkpoint;
    }

    /// <summary>Compares what the run is with what the checkpoint's run was.</summary>
    internal void RequireSame(IEnumerable<(string Key, string Value)> run)
    {
        var left = _identity.Keys.ToHashSet();
        foreach ((string key, string value) in run)
        {
            left.Remove(key);
            string? before = _identity.Text(key);
            if (before != value)
                throw new MarrowException("TR024", $"{Folder}: cannot be resumed, {key} was {(before is null ? "not set" : Echo.Name(before))} and is now {Echo.Name(value)}. "
                    + "Resume with the job it was written by, or start a new run. [TR024]");
        }
        if (left.Count > 0)
            throw new MarrowException("TR024", $"{Folder}: cannot be resumed, {Echo.Name(left.Order(StringComparer.Ordinal).First())} was set and is not now. "
                + "Resume with the job it was written by, or start a new run. [TR024]");
    }

    /// <summary>Checks that the file holds exactly the tensors of these parameters.</summary>
    internal void RequireParameters(ParameterSet parameters)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(Folder, TensorsFile));
        foreach (Parameter parameter in parameters.Parameters)
        {
            foreach (string kind in (ReadOnlySpan<string>)[Values, FirstMoments, SecondMoments])
            {
                TensorInfo info = file.Require(kind + parameter.Name, TensorFiles.Dimensions(parameter.Value.Shape));
                if (info.DType != DType.F32)
                    throw new ModelFileException("TR023", file.Path, $"tensor '{Echo.Name(info.Name)}' is stored as {info.DType}, not F32; the file was changed by another program");
            }
        }
        if (file.Tensors.Count != 3 * parameters.Parameters.Count)
            throw new ModelFileException("TR023", file.Path, $"holds {file.Tensors.Count} tensors, the run's {parameters.Parameters.Count} parameters need {3 * parameters.Parameters.Count}; it belongs to another adapter");
    }

    /// <summary>Reads values and moments; call <see cref="RequireParameters"/> first.</summary>
    internal void ReadInto(ParameterSet parameters, AdamW optimizer)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(Folder, TensorsFile));
        foreach (Parameter parameter in parameters.Parameters)
        {
            TensorFiles.Read(file, Values + parameter.Name, parameter.Value);
            using Tensor m = parameters.Slice(optimizer.FirstMoment, parameter), v = parameters.Slice(optimizer.SecondMoment, parameter);
            TensorFiles.Read(file, FirstMoments + parameter.Name, m);
            TensorFiles.Read(file, SecondMoments + parameter.Name, v);
        }
    }

    private static IEnumerable<TensorToWrite> Tensors(ParameterSet parameters, AdamW optimizer)
    {
        foreach (Parameter parameter in parameters.Parameters)
        {
            int first = parameters.FirstOf(parameter);
            yield return TensorFiles.ToWrite(Values + parameter.Name, parameters.Values, first, parameter.Value.Shape);
            yield return TensorFiles.ToWrite(FirstMoments + parameter.Name, optimizer.FirstMoment, first, parameter.Value.Shape);
            yield return TensorFiles.ToWrite(SecondMoments + parameter.Name, optimizer.SecondMoment, first, parameter.Value.Shape);
        }
    }

    private static byte[] State(Trainer trainer, string jobHash, string sha256)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("format", Format);
            json.WriteNumber("step", trainer.Step);
            json.WriteNumber("epoch", trainer.Cursor.Epoch);
            json.WriteNumber("position", trainer.Cursor.Position);
            WriteLoss(json, "eval_loss", trainer.EvaluationLoss);
            WriteLoss(json, "best_eval_loss", trainer.BestEvaluationLoss);
            json.WriteString("tensors_sha256", sha256);
            json.WriteStartObject("run");
            foreach ((string key, string value) in trainer.Identity(jobHash))
                json.WriteString(key, value);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteLoss(Utf8JsonWriter json, string key, double? loss)
    {
        if (loss is { } value)
            json.WriteNumber(key, value);
        else
            json.WriteNull(key);
    }

    private static JsonFields StateFields(string folder)
    {
        AtomicFolder.Recover(folder);
        string path = Path.Combine(folder, StateFile);
        if (!File.Exists(path))
            throw new ModelFileException("TR020", path, "is missing: this is no checkpoint of a training run; name a folder below checkpoints/");
        JsonFields state = JsonFields.Parse(path, InputFile.ReadAll(path), "TR020", "TR021");
        string? format = state.Text("format");
        return format == Format ? state
            : throw state.Error("TR021", "format", $"is {(format is null ? "missing" : Echo.Name(format))}, only {Format} can be read; use the version of Marrow that wrote it");
    }

    private static ModelFileException Missing(JsonFields state, string key) => state.Error("TR021", key, "is missing; go on from an older checkpoint");
}
