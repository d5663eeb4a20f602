using Marrow.Adapters.Methods;
using Marrow.Adapters.Targets;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Models;
using Marrow.Formats;

namespace Marrow.Adapters.Tests.Targets;

public sealed class TargetSelectorTests : IDisposable
{
    private readonly CpuDevice _device = new(1);
    private readonly Llama _model;

    public TargetSelectorTests() => _model = TinyLlama.Create(_device);

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void Without_targets_q_and_v_are_adapted() =>
        Assert.Equal(["0.q_proj", "0.v_proj", "1.q_proj", "1.v_proj"], Select(new TargetSelection()));

    [Fact]
    public void All_linear_leaves_the_head_out() => Assert.Equal(14, Select(new() { TargetModules = new("all-linear") }).Length);

    [Fact]
    public void Names_are_whole_path_parts_at_the_end()
    {
        Assert.Equal(["0.up_proj", "1.up_proj"], Select(new() { TargetModules = new("up_proj", "self_attn.p_proj", "proj") }));
        Assert.Equal(["1.q_proj"], Select(new() { TargetModules = new(["model.layers.1.self_attn.q_proj"]) }));
    }

    [Fact]
    public void An_expression_must_match_the_whole_path()
    {
        Assert.Equal(["0.q_proj", "0.k_proj"], Select(new() { TargetModules = new(@".*\.0\..*(q|k)_proj") }));
        Assert.Equal("AD003", Refusal(new() { TargetModules = new("self_attn") }).Code);
    }

    [Fact]
    public void Exclusion_goes_first_and_layer_numbers_filter()
    {
        Assert.Equal(["0.k_proj", "0.v_proj"], Select(new()
        {
            TargetModules = new("q_proj", "k_proj", "v_proj"), ExcludeModules = new(["q_proj"]), LayersToTransform = [0],
        }));
        Assert.Equal(["1.v_proj"], Select(new() { TargetModules = new(["v_proj"]), LayersToTransform = [1, 7], LayersPattern = ["layers"] }));
        Assert.Equal("AD003", Refusal(new() { TargetModules = new(["v_proj"]), LayersToTransform = [1], LayersPattern = ["h"] }).Code);
        Assert.Equal(["0.q_proj"], Select(new() { ExcludeModules = new(@".*layers\.1.*|.*v_proj") }));
    }

    [Fact]
    public void A_layers_number_is_the_first_of_its_path()
    {
        static int? Of(string path, params string[] lists) => new TargetRule(new() { LayersPattern = lists.Length == 0 ? null : lists }, new("x")).LayerOf(path);
        Assert.Equal(3, Of("model.layers.3.mlp.experts.7.up_proj"));
        Assert.Equal(7, Of("model.layers.3.mlp.experts.7.up_proj", "experts"));
        Assert.Equal(12, Of("blocks.12.att.key"));
        Assert.Null(Of("lm_head"));
    }

    [Fact]
    public void A_saved_module_is_not_adapted() =>
        Assert.Equal(["0.v_proj", "1.v_proj"], Select(new() { ModulesToSave = ["q_proj"] }));

    [Fact]
    public void Nothing_selected_lists_what_there_is()
    {
        MarrowException error = Refusal(new() { TargetModules = new(["query_key_value"]) });
        Assert.Equal("AD003", error.Code);
        Assert.Contains("q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj", error.Message, StringComparison.Ordinal);
        Assert.Matches("did you mean 'q_proj'.*\\? \\[AD003\\]$", Refusal(new() { TargetModules = new(["q_prj"]) }).Message);
    }

    [Fact]
    public void A_name_that_means_nothing_beside_others_is_a_warning()
    {
        var selector = new TargetSelector(_model, new() { TargetModules = new("q_proj", "qproj") });
        Assert.Equal(2, selector.Layers().Count);
        Assert.Contains("'qproj'", Assert.Single(selector.Warnings), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("lm_head")]
    [InlineData("embed_tokens")]
    [InlineData("norm")]
    public void Modules_that_cannot_be_adapted_are_refused_with_the_remedy(string name)
    {
        MarrowException error = Refusal(new() { TargetModules = new("q_proj", name) });
        Assert.Equal("AD004", error.Code);
        Assert.Contains($"modules_to_save: [{name}]", error.Message, StringComparison.Ordinal);
        Assert.Equal(4, Select(new() { TargetModules = new("q_proj", "v_proj", name), ModulesToSave = [name] }).Length);
    }

    [Fact]
    public void Contradictions_are_refused()
    {
        Assert.Equal("AD002", Refusal(new() { TargetModules = new(".*q_proj"), LayersToTransform = [0] }).Code);
        Assert.Equal("AD002", Refusal(new() { LayersPattern = ["layers"] }).Code);
        Assert.Equal("AD002", Refusal(new() { ExcludeModules = new("all-linear") }).Code);
        Assert.Equal("AD007", Refusal(new() { ModulesToSave = ["score"] }).Code);
        Assert.Equal("AD007", Refusal(new() { ModulesToSave = [""] }).Code);
    }

    [Fact]
    public void Hostile_expressions_end()
    {
        Assert.Equal("AD006", Assert.Throws<MarrowException>(() => new ModulePattern("(q_proj")).Code);
        Assert.Equal("AD006", Refusal(new() { TargetModules = new("(.*.*)*.*(.+)+_projx") }).Code);
        Assert.Equal("AD006", Assert.Throws<MarrowException>(() => new LayerPattern([("[", 1)])).Code);
    }

    [Fact]
    public void The_shortest_names_are_endings_where_they_suffice()
    {
        Assert.Equal(["q_proj", "v_proj"], TargetSelector.NamesOf(_model, new TargetSelector(_model, new()).Layers()));
        Assert.Equal(["model.layers.1.self_attn.v_proj"], TargetSelector.NamesOf(_model, new TargetSelector(_model,
            new() { TargetModules = new(["v_proj"]), LayersToTransform = [1] }).Layers()));
    }

    [Theory]
    [InlineData("rwkv7", 6, "receptance key value output")]
    [InlineData("rwkv6", 8, "receptance key value output gate")]
    public void Rwkv_is_adapted_as_rwkv_peft_does_by_default(string family, int layers, string endings)
    {
        using CausalModel model = TinyModels.Create(_device, family);
        IReadOnlyList<Engine.Layers.LinearLayer> chosen = new TargetSelector(model, new()).Layers();
        Assert.Equal(2 * layers, chosen.Count);
        Assert.Equal(endings.Split(' ').Order(), chosen.Select(l => l.Path.Split('.')[^1]).Distinct().Order());
        Assert.Equal(chosen, new TargetSelector(model, new() { TargetModules = new("all-linear") }).Layers());
    }

    [Fact]
    public void Rwkv_s_modules_are_named_as_they_are()
    {
        using CausalModel model = TinyModels.Create(_device, "rwkv7");
        string[] Paths(TargetSelection selection) => [.. new TargetSelector(model, selection).Layers().Select(l => l.Path)];
        MarrowException Refused(TargetSelection selection) => Assert.Throws<MarrowException>(() => new AdaptedModel(model, new MissConfig { R = 2, Targets = selection }, 1));
        Assert.Equal(["blocks.1.att.key", "blocks.1.ffn.key"], Paths(new() { TargetModules = new(["key"]), LayersToTransform = [1] }));
        Assert.Equal(["blocks.1.att.key"], Paths(new() { TargetModules = new(["att.key"]), LayersToTransform = [1], LayersPattern = ["blocks"] }));
        Assert.Equal(["blocks.0.att.key", "blocks.1.att.key"], Paths(new() { TargetModules = new(["key"]), ExcludeModules = new(@".*ffn.*") }));
        foreach (string name in new[] { "head", "emb", "ln_x", "x_r", "w1" })
            Assert.Contains($"modules_to_save: [{name}]", Refused(new() { TargetModules = new("key", name) }).Message, StringComparison.Ordinal);
        MarrowException unknown = Refused(new() { ModulesToSave = ["lm_head"] });
        Assert.Equal("AD007", unknown.Code);
        Assert.Contains("emb, ln_out, head, and in the layers ln0, ", unknown.Message, StringComparison.Ordinal);
        // A container is no module of its own here; saving it would mean everything in it.
        Assert.Equal("AD007", Refused(new() { ModulesToSave = ["att"] }).Code);
        using var adapted = new AdaptedModel(model, new MissConfig { R = 2, Targets = new() { TargetModules = new(["key"]), ModulesToSave = ["head", "ln2"] } }, 1);
        Assert.Equal(["blocks.0.ln2.weight", "blocks.0.ln2.bias", "blocks.1.ln2.weight", "blocks.1.ln2.bias", "head.weight"],
            adapted.Parameters.Parameters.Skip(4).Select(p => p.Name["base_model.model.".Length..]));
    }

    private string[] Select(TargetSelection selection) =>
        [.. new TargetSelector(_model, selection).Layers().Select(l => $"{l.Path.Split('.')[2]}.{l.Path.Split('.')[^1]}")];

    private MarrowException Refusal(TargetSelection selection) =>
        Assert.Throws<MarrowException>(() => new AdaptedModel(_model, new MissConfig { R = 2, Targets = selection }, 1));
}
