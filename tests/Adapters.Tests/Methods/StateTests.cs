using Marrow.Adapters.Merging;
using Marrow.Adapters.Methods;
using Marrow.Adapters.Peft;
using Marrow.Engine.Autograd;
using Marrow.Engine.Devices.Cpu;
using Marrow.Engine.Layers;
using Marrow.Engine.Models;
using Marrow.Engine.Training;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;

namespace Marrow.Adapters.Tests.Methods;

/// <summary>State tuning: the states that RWKV's layers start from as the only trained values.</summary>
public sealed class StateTests : IDisposable
{
    private readonly CpuDevice _device = new(2);
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _folder.Dispose();
        _device.Dispose();
    }

    [Theory]
    [InlineData(7, false)]
    [InlineData(6, false)]
    [InlineData(7, true)]
    public void States_start_as_the_model_s_get_gradients_and_are_taken_off_again(int version, bool stored)
    {
        using CausalModel model = TinyModels.Create(_device, TinyModels.Rwkv(version, stored));
        float[] before = TinyLlama.Logits(model, TinyLlama.Batch());
        using var adapted = new AdaptedModel(model, new StateConfig(), 1);
        Assert.Equal(["base_model.model.blocks.0.att.time_state", "base_model.model.blocks.1.att.time_state"], adapted.Parameters.Parameters.Select(p => p.Name));
        Assert.Empty(adapted.Layers);
        Assert.Equal(before, TinyLlama.Logits(model, TinyLlama.Batch()));
        TinyLlama.Loss(model, TinyLlama.Batch(), backward: true);
        Assert.All(adapted.Parameters.Parameters, p => Assert.Contains(p.Value.Grad!.ToArray(), g => g != 0));
        TinyLlama.Scramble(adapted);
        Assert.True(TinyLlama.LargestDifference(before, TinyLlama.Logits(model, TinyLlama.Batch())) > 1e-3f);
        Assert.Equal("AD009", Assert.Throws<MarrowException>(() => new AdaptedModel(model, new StateConfig(), 1)).Code);
        Assert.Equal("AD009", Assert.Throws<MarrowException>(() => new Full(model)).Code);
        Assert.Equal("AD012", Assert.Throws<MarrowException>(() => ModelFolderWriter.Write(_folder["out"], model)).Code);
        adapted.Detach();
        Assert.Equal(before, TinyLlama.Logits(model, TinyLlama.Batch()));
    }

    [Fact]
    public void Generation_starts_from_the_trained_states()
    {
        using CausalModel model = TinyModels.Create(_device, "rwkv7");
        using var adapted = new AdaptedModel(model, new StateConfig(), 1);
        TinyLlama.Scramble(adapted);
        int[] tokens = [4, 8, 15, 16, 23];
        float[] all = TinyLlama.Logits(model, TinyLlama.Batch(tokens));
        using var tape = new Tape(_device);
        using SequenceState state = model.CreateState(tokens.Length);
        float[] last = [];
        foreach (int token in tokens)
        {
            last = model.Next(tape, [token], state).ToArray();
            tape.Clear();
        }
        Assert.InRange(TinyLlama.LargestDifference(all[^last.Length..], last), 0, 1e-5f);
    }

    [Theory]
    [InlineData(7, false, "merged.pth")]
    [InlineData(6, false, "merged")]
    [InlineData(7, true, "merged")]
    public void Merged_states_are_tensors_of_the_written_model(int version, bool stored, string name)
    {
        using CausalModel model = TinyModels.Create(_device, TinyModels.Rwkv(version, stored));
        ModelFolderWriter.Write(_folder["base.pth"], model);
        using ModelFolder source = ModelFolder.Open(_folder["base.pth"]);
        int weights = model.Weights.Count;
        float[] before = TinyLlama.Logits(model, TinyLlama.Batch());
        using var adapted = new AdaptedModel(model, new StateConfig(), 1);
        TinyLlama.Scramble(adapted);
        float[] trained = TinyLlama.Logits(model, TinyLlama.Batch());
        MergeCertificate certificate = adapted.Merge(TinyLlama.Batch());
        Assert.Equal(0, certificate.Logits.Largest);
        Assert.Equal(2, certificate.Tensors.Count);
        Assert.Equal(stored, certificate.RelativeChange is not null);
        ModelFolderWriter.Write(_folder[name], model, source);
        using (ModelFolder files = ModelFolder.Open(_folder[name]))
        using (CausalModel again = ModelLoader.Load(_device, files))
        {
            Assert.Contains("blocks.1.att.time_state", files.Tensors.Tensors.Keys);
            Assert.Equal(trained, TinyLlama.Logits(again, TinyLlama.Batch()));
        }
        adapted.Unmerge();
        Assert.Equal(weights, model.Weights.Count);
        Assert.Equal(trained, TinyLlama.Logits(model, TinyLlama.Batch()));
        adapted.Detach();
        Assert.Equal(before, TinyLlama.Logits(model, TinyLlama.Batch()));
    }

    [Fact]
    public void A_folder_comes_back_bit_for_bit()
    {
        using CausalModel model = TinyModels.Create(_device, "rwkv7");
        float[] logits;
        using (var adapted = new AdaptedModel(model, new StateConfig { Targets = new() { ModulesToSave = ["head"] } }, 1))
        {
            TinyLlama.Scramble(adapted);
            logits = TinyLlama.Logits(model, TinyLlama.Batch());
            adapted.Save(_folder["a"], null);
        }
        using PeftFolder folder = PeftFolder.Open(_folder["a"]);
        Assert.IsType<StateConfig>(folder.Config);
        using AdaptedModel again = AdaptedModel.Load(model, folder);
        Assert.Equal(logits, TinyLlama.Logits(model, TinyLlama.Batch()));
        again.Save(_folder["b"], null);
        foreach (string name in new[] { PeftConfig.FileName, PeftFolder.TensorFile })
            Assert.Equal(File.ReadAllBytes(_folder["a", name]), File.ReadAllBytes(_folder["b", name]));
    }

    [Fact]
    public void States_do_not_decay_unless_asked()
    {
        float[] Trained(bool decay)
        {
            using CausalModel model = TinyModels.Create(_device, "rwkv7");
            using var adapted = new AdaptedModel(model, new StateConfig { DecayStates = decay }, 1);
            TinyLlama.Scramble(adapted);
            var options = new TrainingOptions { MaxSteps = 1, BatchSize = 1, LearningRate = 0.1, WeightDecay = 0.5 };
            using var trainer = new Trainer(model, adapted.Parameters, TokenDataset.From([new TokenExample([1, 2, 3, 4], [1, 2, 3, 4])]), options, decays: adapted.Decays);
            trainer.RunStep();
            return adapted.Parameters.Parameters[0].Value.ToArray();
        }
        float[] kept = Trained(false), decayed = Trained(true);
        using CausalModel fresh = TinyModels.Create(_device, "rwkv7");
        using var start = new AdaptedModel(fresh, new StateConfig(), 1);
        TinyLlama.Scramble(start);
        float[] values = start.Parameters.Parameters[0].Value.ToArray();
        for (int i = 0; i < values.Length; i++)
            Assert.Equal(kept[i] - decayed[i], 0.05f * values[i], 1e-6f);
    }

    [Fact]
    public void Models_without_recurrent_state_are_refused_by_name()
    {
        using Llama model = TinyLlama.Create(_device);
        var error = Assert.Throws<MarrowException>(() => new AdaptedModel(model, new StateConfig(), 1));
        Assert.Equal("AD014", error.Code);
        Assert.Contains("llama", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Other_programs_tensors_that_nothing_reads_are_kept()
    {
        using CausalModel model = TinyModels.Create(_device, "rwkv7");
        ModelFolderWriter.Write(_folder["plain.pth"], model);
        using (ModelFolder plain = ModelFolder.Open(_folder["plain.pth"]))
        {
            Formats.PyTorch.PthWriter.Write(_folder["base.pth"], [.. plain.Tensors.Tensors.Keys.Select(n => TensorToWrite.Copy(plain.Tensors, n)),
                TensorToWrite.FromFloats("blocks.0.att.v0", [1, 1, 24], Enumerable.Range(0, 24).Select(i => (float)i).ToArray())]);
        }
        using ModelFolder source = ModelFolder.Open(_folder["base.pth"]);
        using CausalModel loaded = ModelLoader.Load(_device, source);
        ModelFolderWriter.Write(_folder["out.pth"], loaded, source);
        using ModelFolder written = ModelFolder.Open(_folder["out.pth"]);
        Assert.Equal(source.Tensors.Tensors.Keys.Order(), written.Tensors.Tensors.Keys.Order());
        Assert.Equal(source.Tensors.ReadFloats("blocks.0.att.v0"), written.Tensors.ReadFloats("blocks.0.att.v0"));
        using Llama llama = TinyLlama.Create(_device);
        Assert.Equal("CV001", Assert.Throws<MarrowException>(() => ModelFolderWriter.Write(_folder["llama.pth"], llama)).Code);
        Assert.Equal("IO007", Assert.Throws<MarrowException>(() => ModelFolderWriter.Write(_folder["base.pth"], loaded, source)).Code);
    }
}
