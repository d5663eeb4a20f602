using System.Text.Json.Nodes;
using System.Text.Json;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Host.Jobs;
using Marrow.Host.Machines;
using Marrow.Host.Progress;

namespace Marrow.Host.Training;

/// <summary>Shows a plan: what --dry-run says.</summary>
internal static class PlanReport
{
    /// <summary>The plan as JSON, with the resolved job.</summary>
    public static JsonObject Json(TrainingPlan plan)
    {
        JsonNode? Node<T>(T value) => JsonSerializer.SerializeToNode(value, JsonText.Options);
        return new JsonObject
        {
            ["job"] = ResolvedJob.ToJson(plan.Job.Spec),
            ["steps"] = plan.Steps,
            ["parameters"] = plan.BaseValues,
            ["trained_parameters"] = plan.TrainedValues,
            ["adapted_layers"] = plan.AdaptedLayers,
            ["device"] = Node(new { plan.Place.Name, plan.Place.Description, Activations = DeviceUse.Text(plan.Activations) }),
            ["memory"] = Node(new { plan.Memory.Weights, plan.Memory.Trainable, plan.Memory.Activations, plan.Memory.BlockWork, plan.Memory.HeadWork, plan.Memory.Total, Free = plan.Room.FreeBytes, Available = plan.Room.TotalBytes }),
            ["data"] = new JsonArray([.. plan.Data.Files.Select(f => Node(new { f.Report, f.Statistics }))]),
            ["train_examples"] = plan.Data.Train.Count,
            ["eval_examples"] = plan.Data.Eval?.Count ?? 0,
            ["first_example"] = new JsonArray([.. Preview(plan).Select(p => Node(new { p.Id, p.Text, p.Trained }))]),
            ["warnings"] = Node(plan.Warnings),
        };
    }

    /// <summary>The plan for people.</summary>
    public static void Write(TextWriter output, TrainingPlan plan)
    {
        JobSpec job = plan.Job.Spec;
        string what = plan.AdaptedLayers is 0 ? FormattableString.Invariant($"{job.Adapter.Method}: {plan.TrainedValues:N0} values trained ({100.0 * plan.TrainedValues / plan.BaseValues:0.###}% of the model's)")
            : plan.AdaptedLayers is { } layers ? FormattableString.Invariant($"{job.Adapter.Method}, r {job.Adapter.R}, on {layers} linear layers: {plan.TrainedValues:N0} values trained ({100.0 * plan.TrainedValues / plan.BaseValues:0.###}% of the model's)")
            : FormattableString.Invariant($"all weights: {plan.TrainedValues:N0} values trained");
        output.WriteLine(FormattableString.Invariant($"model     {plan.Folder.Config.ModelType}, {plan.BaseValues:N0} values  {Echo.Name(plan.Folder.Path, 300)}"));
        output.WriteLine($"adapter   {what}");
        output.WriteLine(FormattableString.Invariant($"steps     {plan.Steps:N0} of {job.Training.BatchSize} × {job.Training.GradientAccumulationSteps} examples; {plan.Data.Train.Count:N0} to train on, {plan.Data.Eval?.Count ?? 0:N0} to evaluate on"));
        output.WriteLine($"device    {plan.Place.Name} ({plan.Place.Description}), {DeviceUse.Text(plan.Activations)} activations");
        output.WriteLine($"memory    about {Quantity.Bytes(plan.Memory.Total)}: weights {Quantity.Bytes(plan.Memory.Weights)}, trained values with gradients and moments {Quantity.Bytes(plan.Memory.Trainable)}, "
            + $"activations {Quantity.Bytes(plan.Memory.Total - plan.Memory.Weights - plan.Memory.Trainable)}; {(plan.Room.FreeBytes is { } free ? $"{Quantity.Bytes(free)} of " : "")}{Quantity.Bytes(plan.Room.TotalBytes)} {(plan.Room.FreeBytes is null ? $"on {plan.Room.Where}" : "free")}");
        output.WriteLine($"output    {Echo.Name(Path.GetFullPath(job.Output.Dir), 300)}");
        foreach (LoadedDataset file in plan.Data.Files)
        {
            output.WriteLine();
            output.WriteLine(file.Report);
            output.WriteLine(file.Statistics);
        }
        output.WriteLine();
        output.WriteLine(Terminal.On(output) is null ? "first example (trained tokens between ⟦ and ⟧):" : "first example (trained tokens in colour):");
        ExampleView.Write(output, Terminal.On(output), Preview(plan));
        output.WriteLine();
        foreach (string warning in plan.Warnings)
            output.WriteLine($"warning: {Echo.Name(warning, 2000)}");
        output.WriteLine("the job with every default:");
        output.Write(ResolvedJob.ToYaml(job));
    }

    private static IReadOnlyList<PreviewPiece> Preview(TrainingPlan plan) => ExampleView.Pieces(plan.Data.Train[0], plan.Tokenizer?.Tokenizer);
}
